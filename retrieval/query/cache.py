"""Answers given again. `serve_exact` before anything is stored, `look_up` before a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.query.run import Run
    from tenants.pool import Connection


async def serve_exact(run: Run) -> bool:
    """Whether the answer was there and is proven; then it is stored, whole, on the run's trace."""
    return False


async def look_up(run: Run) -> bool:
    """Whether a cached answer was taken over into `run.outcome`."""
    return False


async def keep(connection: Connection, run: Run) -> str | None:
    """Keeps the answer for the next, if it may be. Returns the entry's id."""
    return None


async def publish(run: Run, entry_id: str) -> None:
    """Makes a kept answer known to the exact cache, after the commit. Never fails."""
