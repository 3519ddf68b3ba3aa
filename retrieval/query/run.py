"""One question on its way: who asks what, what was found and spent so far."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from retrieval.query.clock import Clock
from retrieval.types import Cost, ModelCall, Usage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np

    from retrieval.query.budget import Purse
    from retrieval.query.context import Nearest
    from retrieval.query.keep_answer import CacheHit
    from retrieval.query.request import AnswerRequest
    from retrieval.types import Citation, Hit, Message, RouteDecision, Span
    from tenants.config import Caller


@dataclass(slots=True)
class Outcome:
    """What is known of an answer when it ends, however it ends."""

    status: str = "failed"
    error_code: str = ""
    error_message: str = ""
    answer: str = ""
    citations: tuple[Citation, ...] = ()
    # As the model was shown them, and those that came near: what became of each.
    hits: Sequence[Hit] = ()
    dropped: Sequence[Dropped] = ()
    # The messages as the model that answered was sent them, or was before if its reply was kept.
    prompt: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    spans: Sequence[Span] = ()
    route: RouteDecision | None = None
    # Of the generation alone; `calls` has everything that was paid for.
    usage: Usage = field(default_factory=Usage)
    calls: list[ModelCall] = field(default_factory=list[ModelCall])
    cost: Cost = field(default_factory=Cost)
    # US dollars by "cache", "routing" and "compression".
    saved: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    saved_tokens: int = 0
    cache: str = "none"
    cache_entry_id: str | None = None
    cache_similarity: float | None = None
    cached_at: datetime | None = None
    abstained: bool = False
    finish_reason: str = "stop"
    duration_ms: float = 0.0
    first_token_ms: float | None = None

    @property
    def similarity(self) -> dict[str, float | None]:
        values = [hit.similarity for hit in self.hits]
        if not values:
            return {"avg": None, "max": None}
        return {"avg": round(sum(values) / len(values), 4), "max": round(max(values), 4)}

    @property
    def saved_usd(self) -> Decimal:
        return sum(self.saved.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A candidate that the model was not shown. `fate`: ranked_out, duplicate or too_far."""

    hit: Hit
    fate: str


@dataclass(slots=True)
class Run:
    caller: Caller
    request: AnswerRequest
    # As it is searched for: a follow-up is put into words that stand by themselves.
    question: str
    purse: Purse
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    clock: Clock = field(default_factory=Clock)
    outcome: Outcome = field(default_factory=Outcome)
    conversation_id: str | None = None
    history: tuple[Message, ...] = ()
    # The question's unit vector, on its way; and the further wordings that were searched for.
    embedding: asyncio.Task[np.ndarray | None] | None = None
    vector: np.ndarray | None = None
    rewrites: tuple[str, ...] = ()
    # The tenant's revision of the documents that the question was searched at.
    corpus_revision: int | None = None
    is_stored: bool = False
    # What a search found that was made in the transaction of the cache's look-up.
    nearest: Nearest | None = None
    # The kept answer that was found by its meaning, or whose documents were looked at again.
    hit: CacheHit | None = None
    # What was said before is in the prompt, so that the answer is no answer to the question alone.
    history_in_prompt: bool = False
    # What was wrong and was done without: "redis", "embedder", "model", "reranker".
    degraded: list[str] = field(default_factory=list[str])

    def cancel_embedding(self) -> None:
        if self.embedding is not None:
            self.embedding.cancel()

    def note_degraded(self, part: str) -> None:
        if part not in self.degraded:
            self.degraded.append(part)

    def answer_json(self) -> dict[str, Any]:
        """The contract's keys of POST /api/v1/answers/, and the conversation it belongs to."""
        outcome, route = self.outcome, self.outcome.route
        return {
            "id": self.id,
            "conversation_id": self.conversation_id,
            "question": self.question,
            "answer": outcome.answer,
            "citations": [citation.as_json() for citation in outcome.citations],
            "model": route.model if route else "",
            "tier": route.tier if route else "",
            "route_reason": route.reason if route else "",
            "route": route.as_json() if route else {},
            "cache": outcome.cache,
            "cached_at": outcome.cached_at and outcome.cached_at.isoformat(),
            "cache_similarity": outcome.cache_similarity,
            "abstained": outcome.abstained,
            "budget_step": self.purse.step,
            "budget": self.purse.described,
            "degraded": self.degraded,
            "similarity": outcome.similarity,
            "usage": outcome.usage.as_json(),
            "cost_usd": outcome.cost.as_json(),
            "calls": [call.as_json() for call in outcome.calls],
            "saved_usd": float(outcome.saved_usd),
            "saved": {name: float(amount) for name, amount in outcome.saved.items()},
            "saved_tokens": outcome.saved_tokens,
            "finish_reason": outcome.finish_reason,
            "duration_ms": round(outcome.duration_ms, 1),
            "first_token_ms": outcome.first_token_ms and round(outcome.first_token_ms, 1),
            "spans": [span.as_json() for span in outcome.spans],
        }
