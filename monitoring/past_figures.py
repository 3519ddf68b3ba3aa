"""The past of figures that are not of answers, as far as it is kept: for previews of rules."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import Count, Q, Sum

from monitoring.levels import Reading
from monitoring.models import HourlySpending, SyncOutcome
from monitoring.other_figures import FAILED
from monitoring.recent import STEP
from tenants.budget_figures import DAY, MONTH, today_in
from tenants.isolation.runs import list_runs
from tenants.models import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenants.models import Tenant

    Readings = Iterator[tuple[datetime, Reading]]

HOUR = timedelta(hours=1)
# Paid for and no part of any budget, because each plan of a sync says what it will cost.
BESIDE_BUDGETS = "indexing"


@dataclass(frozen=True, slots=True)
class Past:
    """`readings` of a tenant, or of the fleet (None), at each five minutes from start to end. `whom`:
    tenants that a rule for each is tried on first. `about`: how near it comes to the figure itself."""

    readings: Callable[[Tenant | None, datetime, datetime, int], Readings]
    whom: Callable[[datetime], Iterable[int]]
    about: str = ""


def _steps(start: datetime, end: datetime) -> Iterator[datetime]:
    at = start
    while at <= end:
        yield at
        at += STEP


def _failed_syncs(tenant: Tenant | None, start: datetime, end: datetime, minutes: int) -> Readings:
    window = timedelta(minutes=minutes)
    rows = SyncOutcome.objects.filter(finished_at__gt=start - window, finished_at__lte=end)
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    ended = list(rows.order_by("finished_at").values_list("finished_at", "status"))
    times = [at for at, _ in ended]
    failed = [at for at, status in ended if status == FAILED]
    for at in _steps(start, end):
        count, bad = (
            bisect_right(each, at) - bisect_right(each, at - window) for each in (times, failed)
        )
        # As other_figures.failed_syncs: a tenant without any run has no data.
        yield at, Reading(bad, count) if count or tenant is None else Reading()


def _syncing(start: datetime) -> Iterable[int]:
    rows = SyncOutcome.objects.filter(finished_at__gt=start).values("tenant_id")
    counted = rows.annotate(failed=Count("pk", filter=Q(status=FAILED)), ended=Count("pk"))
    return counted.order_by("-failed", "-ended").values_list("tenant_id", flat=True)


def _budgets_used(tenant: Tenant | None, start: datetime, end: datetime, minutes: int) -> Readings:
    """By hours that are over, each in the day and month of the tenant's own time zone."""
    assert tenant is not None
    own = Budget.objects.filter(tenant=tenant, api_key=None)
    amounts = dict(own.values_list("period", "amount_usd"))
    hours = _spent_by_hour(tenant, start, end) if amounts else []
    spent: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    for at in _steps(start, end):
        while hours and hours[-1][0] + HOUR <= at:
            began, usd = hours.pop()
            for key in _periods(tenant, began):
                spent[key] += usd
        # At midnight it is still the day that ends.
        now = _periods(tenant, at - timedelta(microseconds=1))
        shares = [spent[key] / amounts[key[0]] for key in now if amounts.get(key[0])]
        yield at, Reading(float(max(shares)), len(shares)) if shares else Reading()


def _spent_by_hour(
    tenant: Tenant, start: datetime, end: datetime
) -> list[tuple[datetime, Decimal]]:
    """From the beginning of the month of `start` on, the newest first."""
    began = start - timedelta(days=32)
    rows = HourlySpending.objects.filter(
        tenant_id=tenant.pk, starts_at__gte=began, starts_at__lt=end
    )
    summed = (
        rows.exclude(component=BESIDE_BUDGETS)
        .values("starts_at")
        .annotate(usd=Sum("cost_usd"))
        .order_by("-starts_at")
    )
    return list(summed.values_list("starts_at", "usd"))


def _periods(tenant: Tenant, at: datetime) -> tuple[tuple[str, date], tuple[str, date]]:
    today = today_in(tenant.timezone, at)
    return (DAY, today.day), (MONTH, today.month)


def _with_budgets(start: datetime) -> Iterable[int]:
    """The dearest first."""
    own = Budget.objects.filter(api_key=None).values_list("tenant_id", flat=True)
    keys = set(own)
    spending = HourlySpending.objects.filter(tenant_id__in=keys, starts_at__gte=start)
    summed = spending.values("tenant_id").annotate(usd=Sum("cost_usd")).order_by("-usd")
    spent = list(summed.values_list("tenant_id", flat=True))
    return [*spent, *sorted(keys - set(spent))]


def _leaks(tenant: Tenant | None, start: datetime, end: datetime, minutes: int) -> Readings:
    """By the newest check of each moment."""
    runs = list_runs().filter(finished_at__lte=end).order_by("finished_at")
    found = list(runs.values_list("finished_at", "leaks", "probes"))
    times = [at for at, _, _ in found]
    for at in _steps(start, end):
        place = bisect_right(times, at)
        yield at, Reading(*found[place - 1][1:]) if place else Reading()


# By metric.
PASTS = {
    "failed_syncs": Past(_failed_syncs, _syncing),
    "budget_used": Past(
        _budgets_used,
        _with_budgets,
        "Told from what was spent in each hour that is over, and from the tenant's own budgets as they"
        " are now. Budgets of single keys and what was reserved have no past.",
    ),
    "isolation_leaks": Past(_leaks, lambda _: ()),
}
