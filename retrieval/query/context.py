"""What retrieval hands on: the passages as they are shown, and what became of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.query.run import Dropped
    from retrieval.types import Hit, ModelCall


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
