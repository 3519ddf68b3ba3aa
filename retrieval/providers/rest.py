"""A service that failed is left alone for a moment: an outage costs one wait, not one a question."""

from __future__ import annotations

import time

REST_SECONDS = 2.0


class Rest:
    def __init__(self, seconds: float = REST_SECONDS) -> None:
        self._seconds = seconds
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until

    def begin(self) -> None:
        self._until = time.monotonic() + self._seconds

    def end(self) -> None:
        self._until = 0.0
