"""The summed up figures of a tenant or of the fleet, read for pages, exports, alerts and reports.

Nobody reads single answers here: the cost depends on the number of bars and models, and not on how much
was asked. Whose figures are meant is always said: these tables know no tenant in force.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connection

from monitoring.models import (
    DailySpending,
    DailyUsage,
    HourlySpending,
    HourlyUsage,
    RecentUsage,
)
from monitoring.sums import Sums, add_up

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from monitoring.models import SpendingRow, UsageRow
    from monitoring.periods import Period

Row = TypeVar("Row", "UsageRow", "SpendingRow")
Key = TypeVar("Key", bound="Hashable")

HOURLY = ("5min", "hour")
LONGEST_DAY = timedelta(hours=25)
# A tenant's days are those of its own clock: where the first or last is only partly in the period, its
# hours are taken.
TOP_TENANTS = """
SELECT tenant_id, sum(questions)::bigint AS questions, sum(cost_usd) AS cost_usd,
    sum(errors)::bigint AS errors, sum(unpriced)::bigint AS unpriced,
    sum(up)::bigint AS up, sum(down)::bigint AS down, sum(hits)::bigint AS hits
FROM (
    SELECT tenant_id, questions, cost_usd, errors, unpriced, up, down, hits FROM monitoring_tenantday
    WHERE starts_at >= %(start)s AND starts_at < %(whole_until)s
    UNION ALL
    SELECT tenant_id, questions, cost_usd, errors, unpriced, up, down, hits FROM monitoring_tenanthour
    WHERE starts_at >= %(start)s AND starts_at < %(first_hours)s AND day < %(start)s
    UNION ALL
    SELECT tenant_id, questions, cost_usd, errors, unpriced, up, down, hits FROM monitoring_tenanthour
    WHERE starts_at >= %(whole_until)s AND starts_at < %(end)s AND day >= %(whole_until)s
) parts
GROUP BY tenant_id HAVING sum(questions) > 0
"""
ORDERS = {
    "cost": "cost_usd DESC, questions DESC, tenant_id",
    "questions": "questions DESC, tenant_id",
    "errors": "errors DESC, questions DESC, tenant_id",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose figures. `tenant_id` None: the fleet's."""

    tenant_id: int | None


FLEET = Scope(None)


@dataclass(frozen=True, slots=True)
class Usage:
    """The rows of a period, added up in whatever way is asked for."""

    period: Period
    rows: Sequence[UsageRow]

    def sums(self) -> Sums:
        return add_up(self.rows)

    def series(self) -> list[tuple[datetime, Sums]]:
        """One for each bar, those without a question too."""
        return [(start, add_up(rows)) for start, rows in in_buckets(self.period, self.rows)]

    def by_model(self) -> dict[str, Usage]:
        """The busiest first. Questions that no model answered have the model ""."""
        return self._by(lambda row: row.model)

    def by_cache(self) -> dict[str, Usage]:
        return self._by(lambda row: row.cache)

    def _by(self, key: Callable[[UsageRow], str]) -> dict[str, Usage]:
        groups: dict[str, list[UsageRow]] = defaultdict(list)
        for row in self.rows:
            groups[key(row)].append(row)
        order = sorted(groups, key=lambda name: (-sum(r.questions for r in groups[name]), name))
        return {name: Usage(self.period, groups[name]) for name in order}


@dataclass(slots=True)
class Spent:
    """Paid calls added up. `unpriced` of them have no known price."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0

    def add(self, row: SpendingRow) -> None:
        self.calls += row.calls
        self.input_tokens += row.input_tokens
        self.output_tokens += row.output_tokens
        self.cost_usd += row.cost_usd
        self.unpriced += row.unpriced


@dataclass(frozen=True, slots=True)
class Spending:
    period: Period
    rows: Sequence[SpendingRow]

    def total(self) -> Spent:
        return _spent(self.rows)

    def by_component(self) -> dict[str, Spent]:
        return _spent_by(self.rows, lambda row: row.component)

    def by_model(self) -> dict[tuple[str, str], Spent]:
        """By provider and model, the dearest first."""
        found = _spent_by(self.rows, lambda row: (row.provider, row.model))
        return dict(sorted(found.items(), key=lambda item: (-item[1].cost_usd, item[0])))

    def series(self, key: Callable[[SpendingRow], str]) -> list[tuple[datetime, dict[str, Spent]]]:
        return [(start, _spent_by(rows, key)) for start, rows in in_buckets(self.period, self.rows)]


@dataclass(frozen=True, slots=True)
class TenantUsage:
    tenant_id: int
    questions: int
    cost_usd: Decimal
    errors: int
    unpriced: int
    up: int
    down: int
    hits: int


def read_usage(scope: Scope, period: Period) -> Usage:
    """One query."""
    model = {"5min": RecentUsage, "hour": HourlyUsage}.get(period.bucket, DailyUsage)
    return Usage(period, list(_within(model.objects, scope, period)))


def read_spending(scope: Scope, period: Period) -> Spending:
    """One query. Raises ValueError for five minutes, of which none is kept."""
    if period.bucket == "5min":
        raise ValueError("Spending is kept by hours.")
    model = HourlySpending if period.bucket == "hour" else DailySpending
    return Spending(period, list(_within(model.objects, scope, period)))


def _within(objects: Any, scope: Scope, period: Period) -> QuerySet[Any]:
    return objects.filter(
        tenant_id=scope.tenant_id, starts_at__gte=period.start, starts_at__lt=period.end
    ).order_by("starts_at")


def top_tenants(
    period: Period, *, now: datetime, by: str = "cost", limit: int = 10
) -> list[TenantUsage]:
    """Of the fleet, by `by`: cost, questions or errors. One query, over days and not over answers."""
    return top_tenants_by(period, now=now, orders=(by,), limit=limit)[by]


def top_tenants_by(
    period: Period, *, now: datetime, orders: Sequence[str], limit: int
) -> dict[str, list[TenantUsage]]:
    """In several orders, still by one query."""
    start, end = period.start, period.end
    # No day of any clock goes beyond what has not come yet.
    whole_until = end if end > now else max(start, end - LONGEST_DAY)
    values = {
        "start": start,
        "end": end,
        "whole_until": start if period.bucket in HOURLY else whole_until,
        "first_hours": end if period.bucket in HOURLY else min(end, start + LONGEST_DAY),
        "limit": limit,
    }
    ordered = " UNION ALL ".join(
        f"(SELECT '{by}', * FROM found ORDER BY {ORDERS[by]} LIMIT %(limit)s)"  # noqa: S608
        for by in orders
    )
    top: dict[str, list[TenantUsage]] = {by: [] for by in orders}
    with connection.cursor() as cursor:
        cursor.execute(f"WITH found AS MATERIALIZED ({TOP_TENANTS}) {ordered}", values)
        for by, *row in cursor.fetchall():
            top[by].append(TenantUsage(*row))
    return top


def in_buckets(period: Period, rows: Iterable[Row]) -> list[tuple[datetime, list[Row]]]:
    """Each row in the bar that its start is in."""
    starts = period.buckets()
    found: list[list[Row]] = [[] for _ in starts]
    for row in rows:
        found[bisect_right(starts, row.starts_at) - 1].append(row)
    return list(zip(starts, found, strict=True))


def _spent(rows: Iterable[SpendingRow]) -> Spent:
    spent = Spent()
    for row in rows:
        spent.add(row)
    return spent


def _spent_by(rows: Iterable[SpendingRow], key: Callable[[SpendingRow], Key]) -> dict[Key, Spent]:
    found: dict[Key, Spent] = defaultdict(Spent)
    for row in rows:
        found[key(row)].add(row)
    return dict(found)
