"""What retrieval hands on: the passages as they are shown, what became of the others, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from retrieval.query.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from retrieval.query.run import Dropped, Run
    from retrieval.types import Hit, ModelCall

    # Whether so much more may be spent, in US dollars; None: the price is not known.
    Reserve = Callable[[Decimal | None], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Nearest:
    """`is_near`: whether the best of the hits bears on the question at all. `total`: of how many
    passages they are the best."""

    hits: list[Hit]
    is_near: bool
    corpus_revision: int
    total: int = 0
    # What the best of them has of what is needed: similarity and words, or a share of the words alone.
    best: float = 0.0
    needed: float = 0.0
    by_words: bool = False


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
    nearest: Nearest | None = None


async def _always(_: Decimal | None) -> bool:
    return True


@dataclass(slots=True)
class Notes:
    """What the stages of one retrieval write down, and whom they ask before they spend."""

    clock: Clock = field(default_factory=Clock)
    reserve: Reserve = _always
    calls: list[ModelCall] = field(default_factory=list["ModelCall"])
    degraded: list[str] = field(default_factory=list[str])
    # What cached vectors would have cost.
    saved_usd: Decimal = Decimal(0)

    def note_degraded(self, part: str) -> None:
        if part not in self.degraded:
            self.degraded.append(part)


def notes_of(run: Run) -> Notes:
    """The run's own lists."""
    return Notes(run.clock, reserve_from(run), run.outcome.calls, run.degraded)


def reserve_from(run: Run) -> Reserve:
    async def reserve(amount: Decimal | None) -> bool:
        return amount == 0 or await run.purse.reserve(run.id, amount)

    return reserve
