"""Stored answers priced anew, by the prices that are in force now, and the books with them.

Only what was counted can be priced: a call that had no price at its time and was not recorded (a search,
a local embedding) is not made up afterwards. Budgets stay as they were settled.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection

from monitoring.rebuild import count_orphans, days_of, is_kept, rebuild_usage
from monitoring.replay_apart import NO_TRACE, Apart, price_evaluations, price_ledger
from monitoring.replay_savings import makers_of, saved_again
from monitoring.repricing import is_unknown, known_cost, price_again
from retrieval.models import QueryTrace
from retrieval.query.pricing import COMPONENT
from retrieval.types import COST_COMPONENTS, Cost
from tenants.access import tenant_config
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from monitoring.rebuild import Day
    from monitoring.replay_savings import Maker
    from monitoring.repricing import Call
    from tenants.config import TenantConfig
    from tenants.models import Tenant

BATCH = 1_000
NOTHING = Decimal(0)
COLUMNS = (
    "id", "cache", "cache_entry_id", "model", "calls", "shadow", "spans", "saved", "saved_tokens",
)  # fmt: skip
UPDATE = """
UPDATE retrieval_querytrace SET calls = %(calls)s, shadow = %(shadow)s, cost_usd = %(cost_usd)s,
    total_cost_usd = %(total_cost_usd)s, saved = %(saved)s, saved_usd = %(saved_usd)s
WHERE id = %(id)s
"""


@dataclass(slots=True)
class Replay:
    """US dollars: of calls with a known price, on either side; `unknown`: answers with one that has none.
    `evaluations`: runs that change. `left`: what stays at its old price, by the reason."""

    answers: int = 0
    changed: int = 0
    before_usd: Decimal = NOTHING
    after_usd: Decimal = NOTHING
    unknown_before: int = 0
    unknown_after: int = 0
    evaluations: int = 0
    apart: Apart = field(default_factory=Apart)
    left: Counter[str] = field(default_factory=Counter[str])
    # Their metrics were dropped, so that they stay as they are.
    kept_days: list[str] = field(default_factory=list[str])


def replay_prices(
    tenant: Tenant, start: date | None = None, end: date | None = None, *, dry_run: bool = False
) -> Replay:
    """Of the answers of these days of the tenant, or all. `dry_run`: says what would come of it."""
    result, config = Replay(), tenant_config(tenant)
    days: list[Day] = []

    def price_day(day: Day) -> None:
        days.append(day)
        _price_day(config, day, result, dry_run)

    if dry_run:
        _look_at(tenant, days_of(tenant, start, end), result, price_day)
    else:
        result.kept_days = rebuild_usage(tenant, start, end, before_day=price_day).kept_days

    def is_wanted(moment: datetime) -> bool:
        return any(day.start <= moment < day.end for day in days)

    result.evaluations = price_evaluations(tenant, config, is_wanted, result.left, dry_run=dry_run)
    return result


def _look_at(tenant: Tenant, days: Sequence[Day], result: Replay, price_day: Any) -> None:
    for day in days:
        with tenant_context(tenant):
            if is_kept(day):
                result.kept_days.append(day.start.isoformat())
            else:
                price_day(day)


def _price_day(config: TenantConfig, day: Day, result: Replay, dry_run: bool) -> None:
    asked = {"created_at__gte": day.start, "created_at__lt": day.end}
    traces = QueryTrace.objects.filter(**asked).exclude(status=QueryTrace.Status.RUNNING)
    ids = list(traces.values_list("id", flat=True))
    for first in range(0, len(ids), BATCH):
        batch = list(traces.filter(id__in=ids[first : first + BATCH]).values(*COLUMNS))
        makers = makers_of(batch)
        changes = [_priced(config, trace, makers, result) for trace in batch]
        if not dry_run:
            with connection.cursor() as cursor:
                cursor.executemany(UPDATE, [change for change in changes if change])
    price_ledger(config, day, result.apart, dry_run=dry_run)
    with connection.cursor() as cursor:
        if orphans := count_orphans(cursor, day):
            result.left[NO_TRACE] += orphans


def _priced(
    config: TenantConfig, trace: dict[str, Any], makers: dict[UUID, Maker], result: Replay
) -> dict[str, Any] | None:
    calls = [price_again(config, call) for call in trace["calls"]]
    shadow = _priced_shadow(config, trace["shadow"])
    saved = saved_again(config, trace, calls, makers, result.left)
    after = {"calls": calls, "shadow": shadow, "saved": saved}
    is_changed = any(after[name] != trace[name] for name in after)
    _count(result, trace, calls, is_changed)
    if not is_changed:
        return None
    cost = _by_component(calls)
    return {
        "id": trace["id"],
        "calls": json.dumps(calls),
        "shadow": json.dumps(shadow) if shadow else None,
        "saved": json.dumps(saved),
        "saved_usd": sum(map(Decimal, saved.values()), NOTHING),
        "cost_usd": json.dumps(cost.as_json()),
        "total_cost_usd": cost.total,
    }


def _priced_shadow(config: TenantConfig, shadow: dict[str, Any] | None) -> dict[str, Any] | None:
    """A cache hit that was answered in full as well."""
    if not shadow or not shadow.get("calls"):
        return shadow
    calls = [price_again(config, call) for call in shadow["calls"]]
    if calls == shadow["calls"]:
        return shadow
    return {**shadow, "calls": calls, "cost_usd": str(known_cost(calls))}


def _by_component(calls: Sequence[Call]) -> Cost:
    """As retrieval.query.pricing.sum_up."""
    parts: dict[str, list[Call]] = {name: [] for name in COST_COMPONENTS}
    for call in calls:
        kind = str(call["kind"])
        parts[COMPONENT.get(kind, kind)].append(call)
    return Cost(
        **{name: None if is_unknown(some) else known_cost(some) for name, some in parts.items()}
    )


def _count(result: Replay, trace: dict[str, Any], calls: Sequence[Call], is_changed: bool) -> None:
    result.answers += 1
    result.changed += is_changed
    result.before_usd += known_cost(trace["calls"])
    result.after_usd += known_cost(calls)
    result.unknown_before += is_unknown(trace["calls"])
    result.unknown_after += is_unknown(calls)
