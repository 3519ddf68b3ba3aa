"""Parts of the read path outside a web process: on an event loop of their own, closed with all they opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from retrieval.query.lifespan import close_all
from tenants.pool import open_pool

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

Result = TypeVar("Result")

CONNECTIONS = 2


def run_alone(work: Coroutine[Any, Any, Result]) -> Result:
    """For a worker, a command or a page that waits. No tenant may be in force: its transaction would
    wait for a model."""

    async def whole() -> Result:
        await open_pool(CONNECTIONS)
        try:
            return await work
        finally:
            await close_all()

    return asyncio.run(whole())
