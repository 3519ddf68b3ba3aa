"""A preview as a chart: the worst figure of each hour, and the thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from monitoring.charts import Chart, Series
from monitoring.levels import has_data, worse
from monitoring.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from monitoring.chart_values import Unit
    from monitoring.models import AlertRule
    from monitoring.preview import Preview

UNITS: dict[str, Unit] = {
    "share": "percent",
    "ms": "ms",
    "usd": "usd",
    "count": "count",
    "similarity": "similarity",
}


@dataclass(frozen=True, kw_only=True)
class WorstOfHours(Chart):
    """Windows overlap, so that the sum of their figures means nothing."""

    @property
    def is_additive(self) -> bool:
        return False


def preview_chart(rule: AlertRule, preview: Preview, zone: str) -> Chart:
    metric = METRICS[rule.metric]
    hours = _worst_by_hour(rule, preview)
    scale = 100 if metric.unit == "share" else 1
    lines = [Series("value", metric.label, _scaled(hours.values(), scale), "series-1")]
    for key, label, threshold, role in (
        ("warning", "Warning", rule.warning_threshold, "series-2"),
        ("alert", "Alert", rule.alert_threshold, "series-8"),
    ):
        if threshold is not None:
            lines.append(Series(key, label, (threshold * scale,) * len(hours), role))
    return WorstOfHours(
        key="preview",
        title=f"{metric.label}, the worst of each hour",
        unit=UNITS[metric.unit],
        kind="line",
        bucket="hour",
        timezone=zone,
        labels=tuple(hours),
        series=tuple(lines),
    )


def _worst_by_hour(rule: AlertRule, preview: Preview) -> dict[datetime, float | None]:
    """None where there was no data in the whole hour. A window belongs to the hour that it ends in."""
    hours: dict[datetime, float | None] = {}
    for at, reading in preview.points:
        hour = (at - timedelta(microseconds=1)).replace(minute=0, second=0, microsecond=0)
        value = reading.value if has_data(rule, reading) else None
        hours[hour] = worse(rule, hours.get(hour), value)
    return hours


def _scaled(values: Iterable[float | None], scale: int) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(value * scale, 6) for value in values)
