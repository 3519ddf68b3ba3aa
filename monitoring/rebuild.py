"""A tenant's books made anew from its traces: what comes out equals what was summed up all along."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection

from monitoring.booking import FLEET, SPENDING_TABLES, TENANT, TENANT_TABLES, USAGE_TABLES
from monitoring.deltas import SPENDING_SUMS, USAGE_SUMS
from monitoring.intake import FROM_TRACES
from monitoring.models import (
    DailyUsage,
    HourlyUsage,
    RecentUsage,
    RollupState,
    TotalSpending,
    TotalUsage,
)
from monitoring.rollups import count_rows, hold_alone
from monitoring.snapshots import COUNTED
from monitoring.sums import HISTOGRAMS, Sums, add_up
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.utils import CursorWrapper

    from monitoring.rollups import State
    from tenants.models import Tenant

log = structlog.get_logger(__name__)

ALL_USAGE = (RecentUsage, *(table.model for table in (*USAGE_TABLES, *TENANT_TABLES)))
ALL_SPENDING = tuple(table.model for table in SPENDING_TABLES)
# The tenant's days with anything in them. A day and a half after midnight is in the next day.
DAYS = """
SELECT day, date_trunc('day', day + interval '36 hours', %(zone)s) FROM (
    SELECT date_trunc('day', created_at, %(zone)s) AS day FROM retrieval_querytrace
        WHERE tenant_id = %(tenant)s
    UNION SELECT date_trunc('day', asked_at, %(zone)s) FROM public.monitoring_querymetric
        WHERE tenant_id = %(tenant)s
    UNION SELECT date_trunc('day', starts_at, %(zone)s) FROM public.monitoring_dailyusage
        WHERE tenant_id = %(tenant)s) found
WHERE (%(start)s::date IS NULL OR day >= %(start)s::date::timestamp AT TIME ZONE %(zone)s)
    AND (%(end)s::date IS NULL OR day <= %(end)s::date::timestamp AT TIME ZONE %(zone)s)
ORDER BY day
"""
RANGE = "{row}.tenant_id = {tenant} AND {row}.{time} >= '{start}' AND {row}.{time} < '{end}'"
HAS_TRACE = """
EXISTS (SELECT FROM retrieval_querytrace t
    WHERE t.id = q.answer_id AND t.tenant_id = q.tenant_id AND t.status <> 'running')
"""
OF_DAY = "SELECT q.*, {sign} AS sign FROM public.monitoring_querymetric q WHERE {condition}"
# One statement and so one moment: an answer that ends meanwhile is in both halves or in none.
MAKE_ANEW = """
WITH gone AS (DELETE FROM public.monitoring_querymetric q WHERE {old} RETURNING 1),
answers AS ({answers} RETURNING 1), ratings AS ({ratings} RETURNING 1),
samples AS ({samples} RETURNING 1)
SELECT count(*) FROM answers
"""
NOTHING: dict[str, Any] = dict.fromkeys({*USAGE_SUMS, *SPENDING_SUMS}, 0)
NOTHING |= dict.fromkeys(HISTOGRAMS, b"")
TOTALS = (TotalUsage, TotalSpending)
# Of totals, what Prometheus shows as it is now, and not as a counter.
GAUGES = frozenset({"up", "down", "similarity_sum", *HISTOGRAMS})
DAY_LENGTH = timedelta(1)
AFTER_GONE = "(SELECT count(*) FROM gone) >= 0"


@dataclass(frozen=True, slots=True)
class Day:
    """From one midnight of a tenant to the next."""

    tenant_id: int
    start: datetime
    end: datetime

    def has(self, row: str, time: str) -> str:
        """A condition in SQL."""
        start, end = self.start.isoformat(), self.end.isoformat()
        return RANGE.format(row=row, tenant=self.tenant_id, time=time, start=start, end=end)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`kept_days`: whose metrics were dropped, so that their figures stay as they are.
    `kept_answers`: in the books, and without a trace; they stay there."""

    days: int = 0
    answers: int = 0
    kept_answers: int = 0
    kept_days: list[str] = field(default_factory=list[str])
    before: Sums = field(default_factory=Sums)
    after: Sums = field(default_factory=Sums)


def rebuild_usage(
    tenant: Tenant,
    start: date | None = None,
    end: date | None = None,
    *,
    before_day: Callable[[Day], None] | None = None,
) -> Rebuilt:
    """Of the tenant's days from `start` to `end`, or all; each in a transaction of its own.

    `before_day` may change the day's traces first, and the calls of its ledger. Raises TenantGone,
    SchemaMissing.
    """
    done = Rebuilt(before=_sums(tenant, start, end))
    for day in days_of(tenant, start, end):
        with tenant_context(tenant), connection.cursor() as cursor:
            state = hold_alone(cursor)
            if is_kept(day):
                done = replace(done, kept_days=[*done.kept_days, day.start.isoformat()])
                continue
            done = _rebuild_day(cursor, state, day, done, before_day)
    log.info("usage rebuilt", tenant=tenant.slug, days=done.days, answers=done.answers)
    return replace(done, after=_sums(tenant, start, end))


def days_of(tenant: Tenant, start: date | None, end: date | None) -> list[Day]:
    """Those with anything in them, of all from `start` to `end`."""
    values = {"tenant": tenant.pk, "zone": tenant.timezone, "start": start, "end": end}
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(DAYS, values)
        return [Day(tenant.pk, *row) for row in cursor.fetchall()]


def _sums(tenant: Tenant, start: date | None, end: date | None) -> Sums:
    days = days_of(tenant, start, end)
    if not days:
        return Sums()
    rows = DailyUsage.objects.filter(tenant_id=tenant.pk, starts_at__gte=days[0].start)
    return add_up(rows.filter(starts_at__lt=days[-1].end))


def _rebuild_day(
    cursor: CursorWrapper,
    state: State,
    day: Day,
    done: Rebuilt,
    before_day: Callable[[Day], None] | None,
) -> Rebuilt:
    counted = f"{day.has('q', 'asked_at')} AND {state.counted()}"
    totals = [row for model in TOTALS for row in model.objects.all()]
    count_rows(cursor, OF_DAY.format(sign=-1, condition=counted), [FLEET])
    if before_day:
        before_day(day)
    made = _make_anew(cursor, day)
    count_rows(cursor, OF_DAY.format(sign=1, condition=counted), [FLEET])
    for model in (*ALL_USAGE, *ALL_SPENDING):
        _of_day(model, day).delete()
    count_rows(cursor, OF_DAY.format(sign=1, condition=counted), [TENANT])
    _delete_empty(day)
    _keep_totals(totals)
    return replace(
        done,
        days=done.days + 1,
        answers=done.answers + made,
        kept_answers=done.kept_answers + count_orphans(cursor, day),
    )


def is_kept(day: Day) -> bool:
    """Its metrics may be gone, and there are figures that could be lost."""
    state = RollupState.objects.filter(kept_from__gt=day.start)
    return state.exists() and _of_day(HourlyUsage, day).exists() | _of_day(DailyUsage, day).exists()


def _make_anew(cursor: CursorWrapper, day: Day) -> int:
    condition = f"{day.has('t', 'created_at')} AND {AFTER_GONE}"
    made = [each.format(xid=f"'{COUNTED}'", condition=condition) for each in FROM_TRACES]
    names = dict(zip(("answers", "ratings", "samples"), made, strict=True))
    cursor.execute(MAKE_ANEW.format(old=f"{day.has('q', 'asked_at')} AND {HAS_TRACE}", **names))
    return cursor.fetchone()[0]


def count_orphans(cursor: CursorWrapper, day: Day) -> int:
    """Answers that are in the books and have no trace. With the tenant in force."""
    condition = f"{day.has('q', 'asked_at')} AND q.entry = 'answer' AND NOT {HAS_TRACE}"
    cursor.execute(f"SELECT count(*) FROM public.monitoring_querymetric q WHERE {condition}")  # noqa: S608
    return cursor.fetchone()[0]


def _of_day(model: Any, day: Day) -> Any:
    times = {"starts_at__gte": day.start, "starts_at__lt": day.end}
    return model.objects.filter(tenant_id=day.tenant_id, **times)


def _delete_empty(day: Day) -> None:
    """Rows of the fleet of which nothing is left."""
    for model in (RecentUsage, *(table.model for table in (*USAGE_TABLES, *SPENDING_TABLES))):
        if model not in TOTALS:
            nothing = {name: NOTHING[name] for name in _sums_in(model)}
            around = {"starts_at__gte": day.start - DAY_LENGTH, "starts_at__lt": day.end}
            model.objects.filter(tenant_id=None, **nothing, **around).delete()


def _keep_totals(before: list[Any]) -> None:
    """Never less than they were: who watches a counter takes a lower one for a restart, and all that it
    shows for new. So they go up with a correction, and not down."""
    for row in before:
        now = type(row).objects.get(pk=row.pk)
        names = _sums_in(type(row)) - GAUGES
        lost = {
            name: getattr(row, name) for name in names if getattr(now, name) < getattr(row, name)
        }
        if lost:
            type(row).objects.filter(pk=row.pk).update(**lost)


def _sums_in(model: Any) -> set[str]:
    return {field.name for field in model._meta.fields if field.name in NOTHING}  # noqa: SLF001
