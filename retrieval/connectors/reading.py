"""What reading one file has in common, wherever it is: it may be written to meanwhile, or too large."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ragadmin.errors import TooLarge
from retrieval.connectors.base import ItemUnreadable
from retrieval.names import make_legible

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrieval.connectors.base import Content

TRIES = 3
# Clocks of file systems tick in up to 2 s: two edits within one tick may leave the same time.
CLOCK_TICK_S = 2.0


def read_unchanged(read_once: Callable[[], Content | None], pause_s: float) -> Content:
    """`read_once` returns None when the file changed meanwhile. Raises ItemUnreadable."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(pause_s * attempt)
        content = read_once()
        if content is not None:
            return content
    raise ItemUnreadable(
        "The file was written to while it was read. The next sync tries again.",
        code="changing",
        permanent=False,
    )


def check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise TooLarge(f"The file has {size / 2**20:.1f} MiB: split it.")


def has_settled(changed_at: float) -> bool:
    return abs(time.time() - changed_at) > CLOCK_TICK_S


def filename_of(path: str) -> str:
    return make_legible(path).rpartition("/")[2]
