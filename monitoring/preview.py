"""What a rule would have done in the last days: the very steps of the watch, every five minutes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Sum

from monitoring import recent
from monitoring.levels import Reading, State, step, worse
from monitoring.metrics import METRICS
from monitoring.models import RecentUsage, SyncOutcome
from monitoring.other_figures import FAILED
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitoring.models import AlertRule

DAYS = 7
# Of a rule that watches each tenant: those with the most questions.
MOST_TENANTS = 5


@dataclass(slots=True)
class Episode:
    """An alert that would have been. `resolved_at` None: it would be open now."""

    opened_at: datetime
    level: str
    worst_value: float | None
    resolved_at: datetime | None = None


@dataclass(slots=True)
class Preview:
    """Of one tenant, or of the fleet. `messages`: how often somebody would have been told."""

    tenant: Tenant | None
    points: list[tuple[datetime, Reading]] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    messages: int = 0


def preview_rule(rule: AlertRule, now: datetime) -> list[Preview]:
    """One for each tenant that is looked at, the busiest first; none if the past cannot be told."""
    if not METRICS[rule.metric].history:
        return []
    end = recent.step_of(now)
    start = end - timedelta(days=DAYS)
    return [_walk(rule, tenant, start, end) for tenant in _whom(rule, start)]


def _whom(rule: AlertRule, start: datetime) -> Sequence[Tenant | None]:
    if not rule.each_tenant:
        return [rule.tenant]
    usage = RecentUsage.objects.filter(starts_at__gte=start, tenant_id__isnull=False)
    busiest = usage.values("tenant_id").annotate(asked=Sum("questions")).order_by("-asked")
    tenants = Tenant.objects.customers().filter(status=Tenant.Status.ACTIVE)
    # Some may be deleted, suspended or the installation's own.
    keys = [row["tenant_id"] for row in busiest[: 4 * MOST_TENANTS]]
    by_key = tenants.in_bulk(keys)
    return [by_key[key] for key in keys if key in by_key][:MOST_TENANTS]


def _walk(rule: AlertRule, tenant: Tenant | None, start: datetime, end: datetime) -> Preview:
    preview, state = Preview(tenant), None
    for at, reading in _readings(rule, tenant and tenant.pk, start, end):
        preview.points.append((at, reading))
        state = _take(preview, rule, state, reading, at)
    return preview


def _take(
    preview: Preview, rule: AlertRule, state: State | None, reading: Reading, at: datetime
) -> State | None:
    state, event = step(rule, state, reading, at)
    preview.messages += event is not None
    if event == "opened" and state:
        preview.episodes.append(Episode(at, state.level, state.worst_value))
    elif event == "resolved":
        preview.episodes[-1].resolved_at = at
    elif state is not None:
        last = preview.episodes[-1]
        last.level = "alert" if "alert" in (last.level, state.level) else state.level
        last.worst_value = worse(rule, last.worst_value, state.worst_value)
    return state


def _readings(
    rule: AlertRule, tenant_id: int | None, start: datetime, end: datetime
) -> Iterator[tuple[datetime, Reading]]:
    metric = METRICS[rule.metric]
    if metric.read is not None:
        yield from _failed_syncs(tenant_id, start, end, rule.window_minutes)
        return
    histograms = [metric.histogram] if metric.histogram else []
    for at, sums in recent.series(tenant_id, start, end, rule.window_minutes, histograms):
        yield at, metric.of(sums)


def _failed_syncs(
    tenant_id: int | None, start: datetime, end: datetime, minutes: int
) -> Iterator[tuple[datetime, Reading]]:
    window = timedelta(minutes=minutes)
    rows = SyncOutcome.objects.filter(finished_at__gt=start - window, finished_at__lte=end)
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    ended = list(rows.order_by("finished_at").values_list("finished_at", "status"))
    times = [at for at, _ in ended]
    failed = [at for at, status in ended if status == FAILED]
    at = start
    while at <= end:
        count, bad = (
            bisect_right(each, at) - bisect_right(each, at - window) for each in (times, failed)
        )
        # As other_figures.failed_syncs: a tenant without any run has no data.
        yield at, Reading(bad, count) if count or tenant_id is None else Reading()
        at += recent.STEP
