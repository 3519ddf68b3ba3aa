"""What another routing would have cost, on stored traces."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from ragadmin.errors import InvalidRequest
from retrieval.models import QueryTrace
from retrieval.services.replay import Answered, replay, routing_of
from retrieval.types import Usage
from tenants.access import tenant_config
from tenants.config import PriceOverride
from tenants.context import tenant_context
from tests.retrieval.query.test_routing import tenant as plain_tenant

MILLION = Usage(1_000_000, 0)
PRICES = (
    PriceOverride("small", "tokens", Decimal(1), Decimal(1)),
    PriceOverride("large", "tokens", Decimal(10), Decimal(10)),
)


def answered(words=5, passages=1, tier="simple", model="small", cost="1", **more):
    paid = None if cost is None else Decimal(cost)
    return Answered(words, passages, tier, model, MILLION, paid, **more)


def run(*questions, **routing):
    tenant = plain_tenant(prices=PRICES)
    return replay(tenant, questions, routing_of(tenant, **routing))


def test_the_same_routing_costs_the_same():
    result = run(answered(), answered(passages=9, tier="complex", model="large", cost="10"))
    assert result.before.as_json() == result.after.as_json()
    assert result.difference_usd == 0


def test_a_moved_limit_moves_questions_and_money():
    hard = answered(passages=9, tier="complex", model="large", cost="10")
    result = run(answered(), hard, hard, moderate_passages=20)
    assert dict(result.before.tiers) == {"simple": 1, "complex": 2}
    assert dict(result.after.tiers) == {"simple": 1, "moderate": 2}
    assert (result.before.total_usd, result.after.total_usd) == (Decimal(21), Decimal(3))
    assert result.difference_usd == Decimal(-18)


def test_another_model_is_priced_at_the_same_tokens():
    result = run(answered(), small="gpt-4o-mini")
    assert result.after.models == {"gpt-4o-mini": 1}
    assert result.after.total_usd == Decimal("0.15")


def test_an_unknown_price_is_counted_and_not_compared():
    result = run(answered(), answered(passages=9, tier="complex", cost=None), small="no-such-model")
    assert result.after.unpriced == {"no-such-model": 1}
    assert result.before.unpriced == {"small": 1}
    assert result.compared == 0


def test_a_model_that_the_caller_named_stays():
    named = answered(model="large", cost="10", is_named=True)
    result = run(named)
    assert result.after.models == {"large": 1}
    assert (result.named, result.difference_usd) == (1, 0)


def test_a_tenant_without_models_needs_them_named():
    with pytest.raises(InvalidRequest, match="--small"):
        routing_of(plain_tenant(endpoint=None))
    assert routing_of(plain_tenant(endpoint=None), small="a", large="b").models["complex"] == "b"


def store(tenant, **columns):
    call = {
        "kind": "generation", "provider": "p", "model": "gpt-4o", "input_tokens": 1_000_000,
        "output_tokens": 0, "estimated": False, "cost_usd": "2.5", "price": None,
    }  # fmt: skip
    route = {"features": {"words": 4, "passages": 2}, "reason": "4 words, 2 passages"}
    values = {"tier": "simple", "calls": [call], "route": route, **columns}
    with tenant_context(tenant):
        QueryTrace.objects.create(
            tenant_id=tenant.pk, access_levels=["public"], question="Why?", **values
        )


def test_the_command_reads_the_tenants_own_traces(tenant, capsys):
    store(tenant)
    store(tenant, calls=[])
    options = ["--small", "gpt-4o-mini", "--large", "gpt-4o"]
    call_command("replay_routing", tenant.slug, *options, "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["questions"], told["compared"]) == (1, 1)
    assert Decimal(told["difference_usd"]) == Decimal("0.15") - Decimal("2.5")
    call_command("replay_routing", tenant.slug, *options)
    table = capsys.readouterr().out
    assert "1 answers of a model in 30 days" in table
    assert "-2.350000 US dollars" in table


def test_the_command_says_what_is_missing(tenant):
    with pytest.raises(CommandError, match="no tenant"):
        call_command("replay_routing", "none-such")
    assert tenant_config(tenant).endpoint is None
    with pytest.raises(CommandError, match="--small"):
        call_command("replay_routing", tenant.slug)
