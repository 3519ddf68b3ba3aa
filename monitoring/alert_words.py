"""Rules and alerts in words, with their units: for pages, mails and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.metrics import METRICS, Unit

if TYPE_CHECKING:
    from monitoring.models import AlertRule

EVENTS = {
    "opened": "opened",
    "worse": "got worse",
    "better": "got better",
    "still_open": "is still open",
    "resolved": "is resolved",
}


def figure(value: float | None, unit: Unit) -> str:
    if value is None:
        return "no data"
    match unit:
        case "share":
            return f"{_short(value * 100)} %"
        case "ms":
            return f"{_short(value / 1000)} s" if value >= 1000 else f"{_short(value)} ms"
        case "usd":
            return f"${value:,.2f}" if value >= 0.01 or not value else f"${value:.2g}"
        case "seconds":
            return span(round(value / 60)) if value >= 120 else f"{value:.0f} s"
        case "count":
            return f"{value:,.0f}"
        case "similarity":
            return f"{value:.3f}".rstrip("0").rstrip(".")


def condition(rule: AlertRule) -> str:
    """When it is broken, such as "above 5 % (warning), above 20 % (alert) in 15 minutes"."""
    metric = METRICS[rule.metric]
    both = [("warning", rule.warning_threshold), ("alert", rule.alert_threshold)]
    parts = [
        f"{rule.comparison} {figure(threshold, metric.unit)} ({level})"
        for level, threshold in both
        if threshold is not None
    ]
    if len(parts) == 1:
        parts = [parts[0].removesuffix(" (alert)")]
    words = ", ".join(parts)
    return f"{words} in {span(rule.window_minutes)}" if metric.has_window else words


def threshold_of(rule: AlertRule, level: str) -> float | None:
    found = rule.alert_threshold if level == "alert" else rule.warning_threshold
    return rule.alert_threshold if found is None else found


def demo_words(questions: int, simulated: int) -> str:
    """What of the window is demo traffic; empty for nothing."""
    if not simulated:
        return ""
    if questions == 1:
        return "the only question of its window is demo traffic"
    part = "all" if simulated >= questions else f"{simulated:,} of"
    return f"{part} {questions:,} questions of its window are demo traffic"


def span(minutes: int) -> str:
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= size and minutes % size == 0:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    hours, rest = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest} min"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def every(minutes: int) -> str:
    return "every " + span(minutes).removeprefix("1 ")


def _short(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.0f}"
