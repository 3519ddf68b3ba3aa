"""Models that fail are left alone for a while, so that no question waits for what does not answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragadmin.errors import ProviderError
    from retrieval.query.routing import Choice

FAILURES_IN_A_ROW = 3
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 60.0
# A rate limit that asks for more than this is taken for so much, and then tried again.
LONGEST_RETRY_AFTER_SECONDS = 300.0
# What is wrong with the question says nothing of the model.
QUESTION_AT_FAULT = frozenset({400, 413, 422})


@dataclass(slots=True)
class Breaker:
    """Of one model at one endpoint, in this process. Times are of time.monotonic()."""

    failures: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    open_until: float = 0.0
    last_code: str = ""
    # After a pause one question tries the model; the others go on doing without it until it answers.
    is_on_trial: bool = False

    def admits(self, now: float) -> bool:
        """Whether the model may be asked; after a pause, only who is told so first."""
        if not self.open_until:
            return True
        if now < self.open_until or self.is_on_trial:
            return False
        self.is_on_trial = True
        return True

    def note_failure(self, error: ProviderError, now: float) -> None:
        status = error.extra.get("upstream_status")
        if status in QUESTION_AT_FAULT:
            self.is_on_trial = False
            return
        self.failures += 1
        self.last_code = error.code
        limited = min(error.extra.get("retry_after", 0.0), LONGEST_RETRY_AFTER_SECONDS)
        if self.is_on_trial:
            self.pause_seconds = min(self.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        if limited:
            self.open_until = now + limited
        elif self.is_on_trial or self.failures >= FAILURES_IN_A_ROW:
            self.open_until = now + self.pause_seconds
        self.is_on_trial = False


_breakers: dict[Choice, Breaker] = {}


def admits(choice: Choice) -> bool:
    found = _breakers.get(choice)
    return found is None or found.admits(time.monotonic())


def note_success(choice: Choice) -> None:
    _breakers.pop(choice, None)


def note_first_token(choice: Choice) -> None:
    """It speaks again. Whether it also ends its answers is known only when this one has ended."""
    found = _breakers.get(choice)
    if found is not None and found.open_until:
        del _breakers[choice]


def note_failure(choice: Choice, error: ProviderError) -> None:
    _breakers.setdefault(choice, Breaker()).note_failure(error, time.monotonic())


def note_abandoned(choice: Choice) -> None:
    """The model was asked, and whoever asked did not wait: nothing is known of it."""
    if found := _breakers.get(choice):
        found.is_on_trial = False


def describe(choice: Choice) -> str:
    """Of a model that is left alone: why, and for how long."""
    found = _breakers[choice]
    seconds = max(1, round(found.open_until - time.monotonic()))
    return f"{found.last_code}, left alone for {seconds} s"


def state(choice: Choice) -> Breaker | None:
    """None: the last question to it was answered, or there was none."""
    return _breakers.get(choice)


def forget_all() -> None:
    _breakers.clear()
