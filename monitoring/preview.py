"""What a rule would have done in the last days: the very steps of the watch, every five minutes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Sum

from monitoring import recent
from monitoring.levels import Reading, State, has_data, step, worse
from monitoring.metrics import METRICS
from monitoring.models import TenantDay
from monitoring.past_figures import PASTS
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
    has_data: bool = False


def preview_rule(rule: AlertRule, now: datetime) -> list[Preview]:
    """One for each tenant that is looked at, the busiest first; none if the past cannot be told."""
    if METRICS[rule.metric].no_past:
        return []
    end = recent.step_of(now)
    start = end - timedelta(days=DAYS)
    return [_walk(rule, tenant, start, end) for tenant in _whom(rule, start)]


def _whom(rule: AlertRule, start: datetime) -> Sequence[Tenant | None]:
    if not rule.each_tenant:
        return [rule.tenant]
    past = PASTS.get(rule.metric)
    # Some may be suspended or the installation's own.
    keys = list((past.whom if past else _busiest)(start))[: 4 * MOST_TENANTS]
    by_key = Tenant.objects.customers().filter(status=Tenant.Status.ACTIVE).in_bulk(keys)
    return [by_key[key] for key in keys if key in by_key][:MOST_TENANTS]


def _busiest(start: datetime) -> Iterable[int]:
    days = TenantDay.objects.filter(starts_at__gte=start)
    busiest = days.values("tenant_id").annotate(asked=Sum("questions")).order_by("-asked")
    return busiest.values_list("tenant_id", flat=True)[: 4 * MOST_TENANTS]


def _walk(rule: AlertRule, tenant: Tenant | None, start: datetime, end: datetime) -> Preview:
    preview, state = Preview(tenant), None
    for at, reading in _readings(rule, tenant, start, end):
        preview.points.append((at, reading))
        preview.has_data = preview.has_data or has_data(rule, reading)
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
    rule: AlertRule, tenant: Tenant | None, start: datetime, end: datetime
) -> Iterator[tuple[datetime, Reading]]:
    metric, minutes = METRICS[rule.metric], rule.window_minutes
    if past := PASTS.get(rule.metric):
        yield from past.readings(tenant, start, end, minutes)
        return
    histograms = [metric.histogram] if metric.histogram else []
    for at, sums in recent.series(tenant and tenant.pk, start, end, minutes, histograms):
        yield at, metric.of(sums)
