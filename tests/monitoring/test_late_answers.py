"""An answer that takes longer than anybody waits for it, and is counted for what it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async

from monitoring.models import DailySpending, DailyUsage
from monitoring.sums import add_up
from ragadmin.errors import Conflict
from retrieval.models import QueryTrace
from retrieval.query.answer import answer
from retrieval.query.record import LONGEST_ANSWER
from retrieval.query.request import AnswerRequest
from retrieval.services.feedback import rate_answer
from retrieval.tasks import mark_interrupted
from tenants.context import tenant_context
from tests.monitoring.ledger import roll_up_all
from tests.retrieval.query.asking import QUESTION
from tests.retrieval.query.conftest import (  # noqa: F401 - fixtures
    asker,
    caller,
    corpus,
    loop_resources,
    mock_url,
)

LONG = LONGEST_ANSWER + timedelta(seconds=1)


@sync_to_async
def give_up(tenant, answer_id):
    with tenant_context(tenant):
        trace = QueryTrace.objects.get(pk=answer_id)
        with pytest.raises(Conflict, match="still being given"):
            rate_answer(trace_id=trace.pk, rating="up", rated_by="tester")
        QueryTrace.objects.filter(pk=answer_id).update(created_at=trace.created_at - LONG)
    mark_interrupted()
    roll_up_all()
    return add_up(DailyUsage.objects.filter(tenant_id=tenant.pk))


@sync_to_async
def sums_of(tenant):
    roll_up_all()
    spent = DailySpending.objects.filter(tenant_id=tenant.pk)
    return add_up(DailyUsage.objects.filter(tenant_id=tenant.pk)), sum(
        row.cost_usd for row in spent
    )


async def test_one_that_was_given_up_and_came_after_all_is_no_error_and_has_its_cost(
    asker,  # noqa: F811
    corpus,  # noqa: F811
):
    events = answer(asker, AnswerRequest(QUESTION))
    begun = await anext(events)
    given_up = await give_up(corpus, begun.answer_id)
    assert (given_up.questions, given_up.errors, given_up.cost_usd) == (1, 1, 0)
    events.ag_frame.f_locals["run"].clock._begin -= LONG.total_seconds()
    *_, done = [event async for event in events]
    sums, spent = await sums_of(corpus)
    assert (sums.questions, sums.errors, sums.latency.total) == (1, 0, 1)
    assert float(sums.cost_usd) == float(spent) == done.answer["cost_usd"]["total"] > 0
