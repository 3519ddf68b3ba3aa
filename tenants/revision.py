"""Values of this process that stay right until somebody changes the configuration.

Triggers raise one number with every change that decides who may ask what. Each web process looks at
it once a second, whatever its traffic, and so needs no other query to know that what it keeps is still
true. A process that cannot look, or does not, trusts what it keeps for two seconds.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from ragadmin.errors import Unavailable
from tenants.pool import public_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger("ragadmin.revision")

POLL_SECONDS = 1.0
TRUSTED_SECONDS = 2.0
# Sessions end by the clock, which no trigger sees, and keys note their last use.
OLDEST_SECONDS = 60.0
MOST_VALUES = 10_000
QUERY = "SELECT revision FROM tenants_configurationrevision"


@dataclass(slots=True)
class Seen:
    """The newest revision that this process has seen, and when."""

    revision: int = -1
    at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Kept:
    future: asyncio.Future[Any]
    revision: int
    at: float


seen = Seen()


async def watch() -> None:
    """Looks for changes until it is cancelled."""
    while True:
        try:
            await look()
        except Unavailable:
            log.warning("configuration_not_watched", reason="the database cannot be reached")
        await asyncio.sleep(POLL_SECONDS)


async def look() -> None:
    begun = time.monotonic()
    async with public_connection() as connection:
        row = await (await connection.execute(QUERY)).fetchone()
    assert row is not None
    seen.revision, seen.at = row["revision"], begun


class FreshValues:
    """Values by key; concurrent callers share one load."""

    def __init__(self) -> None:
        self._kept: dict[Any, Kept] = {}

    async def get(self, key: Any, load: Callable[[], Awaitable[Any]]) -> Any:
        """The present value of `key`, loaded if need be. A failed load is not kept."""
        kept = self._kept.get(key)
        if kept is not None and _is_fresh(kept):
            return await asyncio.shield(kept.future)
        if len(self._kept) >= MOST_VALUES:
            self._kept.clear()
        future = asyncio.ensure_future(load())
        self._kept[key] = Kept(future, seen.revision, time.monotonic())
        try:
            return await asyncio.shield(future)
        except BaseException:
            self._kept.pop(key, None)
            raise


def _is_fresh(kept: Kept) -> bool:
    if kept.future.get_loop() is not asyncio.get_running_loop():
        return False
    now = time.monotonic()
    if now - kept.at > OLDEST_SECONDS:
        return False
    if now - kept.at < TRUSTED_SECONDS - POLL_SECONDS:
        return True
    return now - seen.at < TRUSTED_SECONDS and kept.revision == seen.revision
