"""Of a replay: what was paid for beside the answers, in the ledger and in the results of evaluations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection

from monitoring.models import QueryMetric
from monitoring.repricing import is_unknown, known_cost, price_again
from retrieval.evaluation.summary import cost_of
from retrieval.events import PAID_APART
from retrieval.models import Evaluation
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from uuid import UUID

    from monitoring.rebuild import Day
    from tenants.config import TenantConfig
    from tenants.models import Tenant

    Result = dict[str, Any]

NOTHING = Decimal(0)
NO_TRACE, NO_ANSWER_CALLS = "trace", "answer_calls"
UPDATE = """
UPDATE public.monitoring_querymetric SET calls = %(calls)s
WHERE tenant_id = %(tenant_id)s AND asked_at = %(asked_at)s AND id = %(id)s
"""


@dataclass(slots=True)
class Apart:
    """What was paid for beside the answers, in rows of the ledger. US dollars as of answers."""

    rows: int = 0
    changed: int = 0
    before_usd: Decimal = NOTHING
    after_usd: Decimal = NOTHING


def price_ledger(config: TenantConfig, day: Day, apart: Apart, *, dry_run: bool) -> None:
    """The day's rows without a trace that an answer could be rebuilt from. With the tenant in force, and
    the books held."""
    rows = QueryMetric.objects.filter(
        tenant_id=day.tenant_id, asked_at__gte=day.start, asked_at__lt=day.end, entry__in=PAID_APART
    )
    changes: list[dict[str, Any]] = []
    for row in rows.values("tenant_id", "asked_at", "id", "calls").iterator(1_000):
        calls = [price_again(config, call) for call in row["calls"]]
        apart.rows += 1
        apart.before_usd += known_cost(row["calls"])
        apart.after_usd += known_cost(calls)
        if calls != row["calls"]:
            changes.append({**row, "calls": json.dumps(calls)})
    apart.changed += len(changes)
    if changes and not dry_run:
        with connection.cursor() as cursor:
            cursor.executemany(UPDATE, changes)


def price_evaluations(
    tenant: Tenant,
    config: TenantConfig,
    is_wanted: Callable[[datetime], bool],
    left: Counter[str],
    *,
    dry_run: bool,
) -> int:
    """How many runs change: their results of wanted times, and what was summed up of them."""
    with tenant_context(tenant):
        ids = list(Evaluation.objects.filter(done__gt=0).values_list("id", flat=True))
    return sum(
        _price_run(tenant, config, run_id, is_wanted, left, dry_run=dry_run) for run_id in ids
    )


def _price_run(
    tenant: Tenant,
    config: TenantConfig,
    run_id: UUID,
    is_wanted: Callable[[datetime], bool],
    left: Counter[str],
    *,
    dry_run: bool,
) -> bool:
    """Locked, because a worker may add to it just now."""
    with tenant_context(tenant):
        run = Evaluation.objects.select_for_update().filter(id=run_id).first()
        if run is None:
            return False
        results = [
            _priced(config, each, left) if _is_of(each, is_wanted) else each for each in run.results
        ]
        if results == run.results:
            return False
        run.results = results
        run.summary = run.summary and {**run.summary, **cost_of(results)}
        if not dry_run:
            run.save(update_fields=["results", "summary"])
        return True


def _is_of(result: Result, is_wanted: Callable[[datetime], bool]) -> bool:
    return "asked_at" in result and is_wanted(datetime.fromisoformat(result["asked_at"]))


def _priced(config: TenantConfig, result: Result, left: Counter[str]) -> Result:
    calls = [price_again(config, call) for call in result["calls"]]
    if calls == result["calls"]:
        return result
    if "answer_calls" not in result:
        left[NO_ANSWER_CALLS] += 1
        return result
    of_answer = calls[: result["answer_calls"]]
    cost = None if is_unknown(of_answer) else str(known_cost(of_answer))
    return {**result, "calls": calls, "cost_usd": cost}
