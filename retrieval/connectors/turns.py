"""When a website may be asked next, for all sources and batches of this process together."""

from __future__ import annotations

import threading
import time

MAX_REMEMBERED = 10_000

_lock = threading.Lock()
# When each origin was asked last, or answered last.
_last: dict[str, float] = {}


def take_turn(origin: str, gap: float) -> None:
    """Waits until `gap` seconds have passed. Who wants more room holds up nobody who needs less."""
    while (wait := _try_to_take(origin, gap)) > 0:
        time.sleep(wait)


def _try_to_take(origin: str, gap: float) -> float:
    with _lock:
        wait = _last.get(origin, float("-inf")) + gap - time.monotonic()
        if wait <= 0:
            _note(origin)
        return wait


def end_turn(origin: str) -> None:
    with _lock:
        _note(origin)


def _note(origin: str) -> None:
    _last.pop(origin, None)
    while len(_last) >= MAX_REMEMBERED:
        _last.pop(next(iter(_last)))
    _last[origin] = time.monotonic()
