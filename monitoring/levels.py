"""When a rule is broken and when it is fine again: from its figure and the clock alone, so that a
preview on the past takes the very same steps as the watch itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from monitoring.models import Alert, AlertRule

if TYPE_CHECKING:
    from uuid import UUID

Level = Literal["ok", "warning", "alert"]
Event = Literal["opened", "worse", "better", "still_open", "resolved"]
# So long a figure has to be better before its alert is resolved or comes down a level: one that goes
# to and fro around a threshold is one alert, and not many.
CALM = timedelta(minutes=10)
WITHOUT_DATA: dict[str, Level] = {"ok": "ok", "alert": "alert"}
RANK: dict[str, int] = {"ok": 0, "warning": 1, "alert": 2}


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure and how many it rests on. `value` None: there is nothing to tell it from.

    Of figures of answers: `questions` in its window, and how many of them are demo traffic.
    """

    value: float | None = None
    count: int = 0
    questions: int = 0
    simulated: int = 0
    # Of a cost: answers of unknown price, which are not in it or only in part.
    unpriced: int = 0


@dataclass(slots=True)
class State:
    """Of an open alert. `alert_id` None: it is not stored."""

    level: str
    notified_at: datetime
    fine_since: datetime | None = None
    worst_value: float | None = None
    alert_id: UUID | None = None


def has_data(rule: AlertRule, reading: Reading) -> bool:
    return reading.value is not None and reading.count >= rule.minimum_count


def level_of(rule: AlertRule, reading: Reading) -> Level | None:
    """None: nothing is known, and things stay as they are."""
    if not has_data(rule, reading):
        return WITHOUT_DATA.get(rule.no_data)
    value = reading.value
    assert value is not None
    if _is_beyond(rule, value, rule.alert_threshold):
        return "alert"
    return "warning" if _is_beyond(rule, value, rule.warning_threshold) else "ok"


def step(
    rule: AlertRule, state: State | None, reading: Reading, now: datetime
) -> tuple[State | None, Event | None]:
    """What comes of a reading, and what is to be told. Changes the state that is given."""
    level = level_of(rule, reading)
    if state is None:
        if level is None or level == "ok":
            return None, None
        return State(level, now, worst_value=reading.value), "opened"
    if level is not None and RANK[level] < RANK[state.level]:
        return _calm_down(rule, state, level, now)
    if level is not None:
        state.fine_since = None
        state.worst_value = worse(rule, state.worst_value, reading.value)
    if level is not None and RANK[level] > RANK[state.level]:
        state.level, state.notified_at = level, now
        return state, "worse"
    return state, _remind(rule, state, now)


def _calm_down(
    rule: AlertRule, state: State, level: Level, now: datetime
) -> tuple[State | None, Event | None]:
    state.fine_since = state.fine_since or now
    if now - state.fine_since >= CALM:
        if level == "ok":
            return None, "resolved"
        state.level, state.fine_since, state.notified_at = level, None, now
        return state, "better"
    return state, None if level == "ok" else _remind(rule, state, now)


def _remind(rule: AlertRule, state: State, now: datetime) -> Event | None:
    every = timedelta(minutes=rule.renotify_minutes)
    if not every or now - state.notified_at < every:
        return None
    state.notified_at = now
    return "still_open"


def worse(rule: AlertRule, one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    if not known:
        return None
    return max(known) if rule.comparison == AlertRule.Comparison.ABOVE else min(known)


def _is_beyond(rule: AlertRule, value: float, threshold: float | None) -> bool:
    if threshold is None:
        return False
    return value > threshold if rule.comparison == AlertRule.Comparison.ABOVE else value < threshold


def state_of(alert: Alert) -> State:
    return State(
        level=alert.level,
        notified_at=alert.notified_at or alert.opened_at,
        fine_since=alert.fine_since,
        worst_value=alert.worst_value,
        alert_id=alert.pk,
    )
