"""What is left of a budget decides how a question is answered, and the trace says so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async

from ragadmin.errors import BudgetExceeded
from retrieval.events import AnswerDone
from retrieval.models import QueryTrace
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest
from tenants.access import tenant_config
from tenants.budgets import budget_figures
from tenants.config import ModelEndpoint
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.prices import set_price
from tests.retrieval.query.budgets import add_budget

SMALL, LARGE = "mock-0-11-0", "mock-0-12-0"
# Two passages and few words would be simple: then the small model answers in any case.
ALWAYS_COMPLEX = {"simple_passages": 0, "moderate_passages": 0, "cache": False, "llm_cache": False}


@pytest.fixture
def spend(caller, mock_url):
    """The caller of a tenant that has spent so much of a budget of a hundred dollars."""

    def prepare(spent, *, answer_tokens=16, output_usd="100"):
        row = caller_tenant(caller)
        for model in (SMALL, LARGE):
            set_price(tenant=row, model=model, input_usd="0", output_usd=output_usd, actor=None)
        add_budget(row, "100", spent=spent)
        config = tenant_config(row)
        query = replace(config.query, **ALWAYS_COMPLEX, answer_tokens=answer_tokens)
        endpoint = ModelEndpoint("mock", mock_url, "any", SMALL, LARGE)
        return replace(caller, tenant=replace(config, query=query, endpoint=endpoint))

    return sync_to_async(prepare)


def caller_tenant(caller):
    return Tenant.objects.get(pk=caller.tenant.id)


async def done(caller, **options):
    async for event in answer(caller, AnswerRequest("How do I reset my password?", **options)):
        if isinstance(event, AnswerDone):
            return event.answer
    raise AssertionError("the answer did not end well")


@sync_to_async
def kept(caller, answered):
    with tenant_context(caller.tenant):
        return QueryTrace.objects.get(pk=answered["id"])


@pytest.mark.parametrize(
    ("spent", "step", "model"),
    [
        ("10", "", LARGE),
        ("70", "small_model", SMALL),
        ("85", "fewer_passages", SMALL),
        ("95", "no_model", "extractive"),
    ],
)
async def test_each_step_answers_in_its_way(spend, spent, step, model):
    caller = await spend(spent)
    answered = await done(caller)
    assert (answered["budget_step"], answered["model"]) == (step, model)
    assert f"{spent} % of the tenant's daily budget of $100.00 is used" in answered["budget"]
    trace = await kept(caller, answered)
    assert (trace.budget_step, trace.model) == (step, model)


async def test_what_does_not_fit_any_more_is_quoted_from_the_documents(spend):
    caller = await spend("10", answer_tokens=8192, output_usd="100000")
    answered = await done(caller)
    assert (answered["budget_step"], answered["model"]) == ("no_model", "extractive")
    assert "left, and this may cost $819.20" in answered["budget"]
    assert answered["answer"]


async def test_nothing_is_answered_and_nothing_stored_when_all_is_spent(spend):
    caller = await spend("100")
    with pytest.raises(BudgetExceeded):
        await done(caller)
    with pytest.raises(BudgetExceeded):
        await done(caller, model="extractive")


async def test_spent_is_what_the_traces_cost(spend):
    caller = await spend("0.5")
    costs = [
        Decimal(str((await kept(caller, await done(caller))).total_cost_usd)) for _ in range(3)
    ]
    assert min(costs) > 0
    [figure] = await sync_to_async(budget_figures)(await sync_to_async(caller_tenant)(caller))
    assert (figure.spent_usd, figure.reserved_usd) == (Decimal("0.5") + sum(costs), 0)
