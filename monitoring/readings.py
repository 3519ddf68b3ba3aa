"""The figures of all tenants at one moment, with one query for each length of window: a watch costs the
same number of queries however many tenants and rules there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitoring import recent
from monitoring.metrics import METRICS, NOTHING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from monitoring.levels import Reading
    from monitoring.metrics import Readings
    from monitoring.models import AlertRule


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure to be read. `tenant_ids` None: of every tenant."""

    metric: str
    window_minutes: int
    tenant_ids: frozenset[int] | None
    fleet: bool = False


def read_all(wanted: Iterable[Wanted], now: datetime) -> dict[tuple[str, int], Readings]:
    """By metric and window."""
    by_window: dict[int, list[Wanted]] = {}
    found: dict[tuple[str, int], Readings] = {}
    for one in wanted:
        metric = METRICS[one.metric]
        key = (one.metric, one.window_minutes)
        if metric.read is None:
            by_window.setdefault(one.window_minutes, []).append(one)
        elif key not in found:
            same = None if metric.has_window else _of_now(found, one.metric)
            if same is None:
                same = metric.read(now - timedelta(minutes=one.window_minutes), now)
            found[key] = same
    for minutes, several in by_window.items():
        found |= _read_usage(minutes, several, now)
    return found


def _of_now(found: Mapping[tuple[str, int], Readings], metric: str) -> Readings | None:
    return next((readings for (key, _), readings in found.items() if key == metric), None)


def _read_usage(
    minutes: int, wanted: Collection[Wanted], now: datetime
) -> dict[tuple[str, int], Readings]:
    metrics = {one.metric: METRICS[one.metric] for one in wanted}
    tenants: set[int] | None = set()
    for one in wanted:
        tenants = None if tenants is None or one.tenant_ids is None else tenants | one.tenant_ids
    sums = recent.sums_of_window(
        recent.window_start(now, minutes),
        now,
        tenant_ids=tenants,
        fleet=any(one.fleet for one in wanted),
        histograms={metric.histogram for metric in metrics.values() if metric.histogram},
    )
    return {
        (key, minutes): {tenant_id: metric.of(each) for tenant_id, each in sums.items()}
        for key, metric in metrics.items()
    }


def read_now(rule: AlertRule, now: datetime) -> Reading | None:
    """Of the rule's tenant or of the fleet. None for a rule that watches each tenant."""
    if rule.each_tenant:
        return None
    wanted = Wanted(
        metric=rule.metric,
        window_minutes=rule.window_minutes,
        tenant_ids=frozenset() if rule.tenant_id is None else frozenset({rule.tenant_id}),
        fleet=rule.tenant_id is None,
    )
    readings = read_all([wanted], now)[rule.metric, rule.window_minutes]
    return readings.get(rule.tenant_id) or NOTHING[rule.metric]
