"""What retrieval hands on: the passages as they are shown, what became of the others, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval.query.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from decimal import Decimal

    from retrieval.query.run import Dropped
    from retrieval.types import Hit, ModelCall

    # Whether so much more may be spent, in US dollars; None: the price is not known.
    Reserve = Callable[[Decimal | None], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Context:
    """`corpus_revision` is the tenant's as the search found it. `calls` are paid or free calls of
    rerankers and embedders, `degraded` what was done without."""

    hits: tuple[Hit, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    corpus_revision: int = 0
    calls: tuple[ModelCall, ...] = ()
    degraded: tuple[str, ...] = ()
    # By which compression shortened the passages.
    saved_tokens: int = 0
    is_reranked: bool = False


async def _always(_: Decimal | None) -> bool:
    return True


@dataclass(slots=True)
class Notes:
    """What the stages of one retrieval write down, and whom they ask before they spend."""

    clock: Clock = field(default_factory=Clock)
    reserve: Reserve = _always
    calls: list[ModelCall] = field(default_factory=list["ModelCall"])
    degraded: list[str] = field(default_factory=list[str])
