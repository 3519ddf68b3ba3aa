"""The figures of a day: the seven of the contract, and what is behind them. Numbers and names only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Min, Q

from monitoring.models import DailySpending, DailyUsage, RollupState
from monitoring.snapshots import START, Snapshot
from monitoring.sums import CACHE_LAYERS, Sums, add_up
from monitoring.usage import Spending
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from monitoring.reports.days import Day
    from monitoring.usage import Spent

KEYS = (
    "total_queries", "cache_hit_rate", "p50_latency_ms", "p99_latency_ms", "avg_similarity",
    "thumbs_down_rate", "daily_cost",
)  # fmt: skip
# From the beginning of a day. By its noon a row is of the same day also where the database has other
# rules of the zone, takes the other midnight of two, or the tenant's zone was changed since.
NOON = timedelta(hours=12)
# Answers that were asked before a moment and are not in the sums yet.
UNCOUNTED = """
SELECT EXISTS (
    SELECT FROM monitoring_querymetric q WHERE q.xid >= '{least}'::xid8
    AND NOT pg_visible_in_snapshot(q.xid, '{last}') AND q.asked_at < %s
)
"""


@dataclass(frozen=True, slots=True)
class Report:
    """`state`: complete, counting (not all is summed up yet), running (the day is not over), empty
    (nothing was asked) or before (the tenant was not there yet). `note` says it in words."""

    day: Day
    sums: Sums
    before: Sums
    spending: Spending
    state: str
    note: str

    def numbers(self) -> dict[str, Any]:
        """Exactly the keys of the contract. None where nothing was measured."""
        return _numbers(self.sums)

    def as_json(self) -> dict[str, Any]:
        return {**self.numbers(), "extra": self._extra()}

    def _extra(self) -> dict[str, Any]:
        period, sums, before = self.day.period, self.sums, _numbers(self.before)
        spent = self.spending.total()
        return {
            "tenant": self.day.tenant.slug if self.day.tenant else None,
            "date": self.day.date.isoformat(),
            "timezone": self.day.timezone,
            "starts_at": period.start.isoformat(),
            "ends_at": period.end.isoformat(),
            "hours": self.day.hours,
            "state": self.state,
            "note": self.note,
            "change": {key: _change(self.numbers()[key], before[key]) for key in KEYS},
            "simulated": sums.simulated,
            "errors": sums.errors,
            "abstained": sums.abstained,
            "cancelled": sums.cancelled,
            "degraded": sums.degraded,
            "error_rate": _rounded(sums.error_rate, 4),
            "abstention_rate": _rounded(sums.abstention_rate, 4),
            "p95_latency_ms": _rounded(sums.latency.percentile(0.95), 1),
            "first_token_ms": {
                "p50": _rounded(sums.first_token.percentile(0.5), 1),
                "p99": _rounded(sums.first_token.percentile(0.99), 1),
            },
            "cache_hits": {layer: sums.caches.get(layer, 0) for layer in CACHE_LAYERS},
            "false_hits": {"checked": sums.samples, "wrong": sums.false_hits},
            "ratings": {"up": sums.up, "down": sums.down},
            "unpriced_answers": sums.unpriced,
            "cost_per_1000": _usd(sums.cost_per_1000),
            "saved_usd": {
                "cache": _usd(sums.saved_cache_usd),
                "routing": _usd(sums.saved_routing_usd),
                "compression": _usd(sums.saved_compression_usd),
                "total": _usd(sums.saved_usd),
            },
            "spent_usd": _spent(spent)["cost_usd"],
            "unpriced_calls": spent.unpriced,
            "cost_by_component": [
                {"component": name, **_spent(spent)}
                for name, spent in self.spending.by_component().items()
            ],
            "cost_by_model": [
                {"provider": provider, "model": model, **_spent(spent)}
                for (provider, model), spent in self.spending.by_model().items()
            ],
        }


def _numbers(sums: Sums) -> dict[str, Any]:
    # Where no price is known at all, zero would say that it was free.
    is_unknown = bool(sums.unpriced) and not sums.cost_usd
    return {
        "total_queries": sums.questions,
        "cache_hit_rate": _rounded(sums.cache_hit_rate, 4),
        "p50_latency_ms": _rounded(sums.latency.percentile(0.5), 1),
        "p99_latency_ms": _rounded(sums.latency.percentile(0.99), 1),
        "avg_similarity": _rounded(sums.avg_similarity, 4),
        "thumbs_down_rate": _rounded(sums.thumbs_down_rate, 4),
        "daily_cost": None if is_unknown or not sums.questions else _usd(sums.cost_usd),
    }


def _change(now: float | None, before: float | None) -> dict[str, Any]:
    """`relative` is a share of what it was before."""
    if now is None or before is None:
        return {"before": before, "difference": None, "relative": None}
    difference = round(now - before, 9)
    return {
        "before": before,
        "difference": difference,
        "relative": round(difference / before, 4) if before else None,
    }


def _spent(spent: Spent) -> dict[str, Any]:
    is_unknown = bool(spent.unpriced) and not spent.cost_usd
    return {
        "calls": spent.calls,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cost_usd": None if is_unknown else _usd(spent.cost_usd),
        "unpriced": spent.unpriced,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _usd(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def read_reports(days: Sequence[Day], *, now: datetime) -> list[Report]:
    """One for each day, in the same order. Four queries at most, however many."""
    if not days:
        return []
    usage = _rows(DailyUsage, days, from_before=True)
    spending = _rows(DailySpending, days, from_before=False)
    counted = CountedUntil()
    began = None if all(day.tenant for day in days) else fleet_began_at()
    return [_report(day, usage, spending, counted, began, now) for day in days]


def read_report(day: Day, *, now: datetime) -> Report:
    return read_reports([day], now=now)[0]


def figures_began_at(tenant: Tenant | None, now: datetime) -> datetime:
    """An imported tenant brings along what was asked before it was here."""
    made = tenant.created_at if tenant else fleet_began_at() or now
    own = DailyUsage.objects.filter(tenant_id=tenant.pk if tenant else None)
    first = own.order_by("starts_at").values_list("starts_at", flat=True).first()
    return min(made, first) if first else made


def fleet_began_at() -> datetime | None:
    return Tenant.objects.customers().aggregate(at=Min("created_at"))["at"]


def _report(
    day: Day,
    usage: Any,
    spending: Any,
    counted: CountedUntil,
    began: datetime | None,
    now: datetime,
) -> Report:
    sums = add_up(_within(usage, day))
    began_at = day.tenant.created_at if day.tenant else began
    state, note = _state(day, sums, counted, began_at, now)
    return Report(
        day=day,
        sums=sums,
        before=add_up(_within(usage, day.before)),
        spending=Spending(day.period, _within(spending, day)),
        state=state,
        note=note,
    )


def _state(
    day: Day, sums: Sums, counted: CountedUntil, began_at: datetime | None, now: datetime
) -> tuple[str, str]:
    whose = f"The tenant {day.tenant.slug}" if day.tenant else "This installation"
    if began_at is None or (day.period.end <= began_at and not sums.questions):
        since = f" since {began_at:%Y-%m-%d}" if began_at else " yet"
        verb = "is here" if began_at else "has no tenants"
        return "before", f"{whose} {verb}{since}: nothing was measured on this day."
    if not day.is_over(now):
        return "running", "The day is not over: these are its figures so far."
    if not counted.is_past(day.period.end):
        return "counting", "Not all of the day's answers are summed up yet: look again in a minute."
    if not sums.questions:
        return "empty", "Nothing was asked on this day."
    return "complete", ""


class CountedUntil:
    """How far the ledger was summed up. The moments that days end at are few: each is asked once."""

    def __init__(self) -> None:
        self._state = RollupState.objects.first()
        self._known: dict[datetime, bool] = {}

    def is_past(self, moment: datetime) -> bool:
        """Whether every answer that was asked before is in the sums, as far as it is recorded."""
        if moment not in self._known:
            self._known[moment] = self._look(moment)
        return self._known[moment]

    def _look(self, moment: datetime) -> bool:
        state = self._state
        if state is None or state.rolled_up_at is None or state.rolled_up_at < moment:
            return False
        last = Snapshot.parse(state.snapshot) if state.snapshot else START
        with connection.cursor() as cursor:
            cursor.execute(UNCOUNTED.format(least=last.least, last=last), [moment])
            return cursor.fetchone() == (False,)


def _rows(model: Any, days: Sequence[Day], *, from_before: bool) -> dict[int | None, list[Any]]:
    ids = {day.tenant_id for day in days}
    whose = Q(tenant_id__in=ids - {None})
    if None in ids:
        whose |= Q(tenant_id=None)
    first = min((day.before if from_before else day).period.start for day in days)
    last = max(day.period.end for day in days)
    of_days = model.objects.filter(whose, starts_at__gte=first - NOON, starts_at__lt=last - NOON)
    found: dict[int | None, list[Any]] = {}
    for row in of_days:
        found.setdefault(row.tenant_id, []).append(row)
    return found


def _within(rows: dict[int | None, list[Any]], day: Day) -> list[Any]:
    period = day.period
    own = rows.get(day.tenant_id, [])
    return [row for row in own if period.start <= row.starts_at + NOON < period.end]
