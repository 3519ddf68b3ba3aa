"""Follow-ups put into words that stand by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.query.run import Run


async def stand_alone(run: Run) -> None:
    """Sets `run.question`, where there is a history and a model to ask."""
