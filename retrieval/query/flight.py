"""One question at a time: who asks the same while it is being answered waits for that answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.query.run import Run


class Lead:
    async def release(self) -> None:
        """Lets those who wait go on. Never fails."""


async def lead(run: Run) -> Lead | None:
    return None
