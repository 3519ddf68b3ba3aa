"""The time of one query, and its stages as spans."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from retrieval.types import Span

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Milliseconds since the question arrived."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self.spans: list[Span] = []

    def now(self) -> float:
        return (time.perf_counter() - self._begin) * 1000

    @contextmanager
    def span(self, kind: str, **attributes: Any) -> Iterator[Span]:
        """Measures the block, also when it fails."""
        span = Span(kind, self.now(), attributes=attributes)
        self.spans.append(span)
        try:
            yield span
        finally:
            span.duration_ms = self.now() - span.start_ms
