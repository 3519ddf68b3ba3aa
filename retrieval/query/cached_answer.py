"""An answer as it is kept to be given again, and how a run takes it over."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from retrieval.types import Citation, Hit, RouteDecision, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrieval.query.run import Run

# A passage's text stays with its document; a kept answer has what a trace has of it.
HIT_FIELDS = tuple(
    field.name for field in dataclasses.fields(Hit) if field.name not in {"text", "shown", "embedding"}
)  # fmt: skip
# What a question that is found by its meaning pays for again.
PAID_BEFORE_LOOKING = frozenset({"embedding", "rewrite"})


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """`spent` is what it cost in US dollars by kind of call; what has no known price is left out."""

    entry_id: str
    question: str
    text: str
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    route: RouteDecision | None
    usage: Usage
    spent: Mapping[str, Decimal]
    finish_reason: str
    abstained: bool
    cached_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "entry_id": self.entry_id,
            "question": self.question,
            "text": self.text,
            "citations": [citation.as_json() for citation in self.citations],
            "hits": [{name: getattr(hit, name) for name in HIT_FIELDS} for hit in self.hits],
            "route": self.route and self.route.as_json(),
            "usage": self.usage.as_json(),
            "spent": {kind: str(amount) for kind, amount in self.spent.items()},
            "finish_reason": self.finish_reason,
            "abstained": self.abstained,
            "cached_at": self.cached_at.isoformat(),
        }


def read_cached(stored: Mapping[str, Any]) -> CachedAnswer:
    """What as_json made. Raises KeyError, TypeError or ValueError for anything else."""
    return CachedAnswer(
        entry_id=stored["entry_id"],
        question=stored["question"],
        text=stored["text"],
        citations=tuple(Citation(**citation) for citation in stored["citations"]),
        hits=tuple(Hit(**hit, text="") for hit in stored["hits"]),
        route=_route(stored["route"]),
        usage=Usage(**stored["usage"]),
        spent={kind: Decimal(amount) for kind, amount in stored["spent"].items()},
        finish_reason=stored["finish_reason"],
        abstained=stored["abstained"],
        cached_at=datetime.fromisoformat(stored["cached_at"]),
    )


def answer_of(run: Run, entry_id: str) -> CachedAnswer:
    """What is kept of an answer that was just given."""
    outcome = run.outcome
    return CachedAnswer(
        entry_id=entry_id,
        question=run.question,
        text=outcome.answer,
        citations=outcome.citations,
        hits=tuple(outcome.hits),
        route=outcome.route,
        usage=outcome.usage,
        spent=_spent(run),
        finish_reason=outcome.finish_reason,
        abstained=outcome.abstained,
        cached_at=outcome.cached_at or datetime.now(UTC),
    )


def take_over(run: Run, kept: CachedAnswer, hits: Sequence[Hit], *, kind: str) -> None:
    """Makes the kept answer the run's own. `hits`: as they are now, or as they were."""
    outcome = run.outcome
    outcome.status = "succeeded"
    outcome.answer, outcome.citations, outcome.hits = kept.text, kept.citations, hits
    outcome.route, outcome.abstained = kept.route, kept.abstained
    outcome.finish_reason = kept.finish_reason
    outcome.cache, outcome.cache_entry_id, outcome.cached_at = kind, kept.entry_id, kept.cached_at
    paid = PAID_BEFORE_LOOKING if run.vector is not None else ()
    saved = [amount for call, amount in kept.spent.items() if call not in paid]
    outcome.saved["cache"] = sum(saved, Decimal(0))
    outcome.first_token_ms = run.clock.now()


def _spent(run: Run) -> dict[str, Decimal]:
    """With what the model's own answers in store have saved: without them it would have cost that."""
    sums: dict[str, Decimal] = {}
    for call in run.outcome.calls:
        if call.cost_usd is not None:
            sums[call.kind] = sums.get(call.kind, Decimal(0)) + call.cost_usd
    if again := run.outcome.saved.get("cache"):
        sums["generation"] = sums.get("generation", Decimal(0)) + again
    return sums


def _route(stored: dict[str, Any] | None) -> RouteDecision | None:
    if stored is None:
        return None
    tried = tuple((each["model"], each["error"]) for each in stored["tried"])
    return RouteDecision(**{**stored, "tried": tried})
