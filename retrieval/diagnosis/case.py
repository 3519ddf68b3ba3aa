"""What is known of an answer that was rated down, as one value that is read with the tenant in force."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.models import CacheEntry, Feedback, QueryTrace
from retrieval.providers import extractive
from retrieval.terms import QUESTION_TERMS, term_counts

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

FEWEST_CONTENT_WORDS = 2


@dataclass(frozen=True, slots=True)
class KeptContext:
    """Of a kept answer: what was searched for, and the fingerprint of what the model was shown.
    `top_k`: None where the tenant's own was meant."""

    question: str
    top_k: int | None
    filters: tuple[tuple[str, str], ...]
    vector: np.ndarray
    rewrites: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Case:
    """`levels`: of the one who asked. `sent`: what the model read, empty where that is not known.
    `is_quoted`: sentences of passages, written by no model. `is_failed`: it broke off."""

    trace_id: UUID
    question: str
    comment: str
    reason: str
    asked_at: datetime
    rated_at: datetime
    levels: frozenset[str]
    hits: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    cited: frozenset[int]
    sent: str
    cache: str
    asked_as: str
    degraded: tuple[str, ...]
    is_abstained: bool
    is_quoted: bool
    is_failed: bool
    was_compressed: bool
    kept: KeptContext | None = field(default=None, repr=False)

    @property
    def hit_ids(self) -> list[int]:
        return [hit["chunk_id"] for hit in self.hits]


def read_case(trace_id: UUID) -> Case | None:
    """None where there is no such answer, or it is not rated down (any more)."""
    down = Feedback.objects.filter(trace_id=trace_id, rating=Feedback.Rating.DOWN)
    feedback = down.select_related("trace").first()
    if feedback is None:
        return None
    trace = feedback.trace
    entry = _entry(trace)
    made = QueryTrace.objects.filter(pk=entry.trace_id).first() if entry else None
    return Case(
        trace_id=trace.pk,
        question=trace.standalone_question or trace.question,
        comment=feedback.comment if has_content(feedback.comment) else "",
        reason=feedback.reason,
        asked_at=trace.created_at,
        rated_at=feedback.updated_at,
        levels=frozenset(trace.access_levels),
        hits=trace.hits,
        dropped=(made or trace).dropped,
        cited=frozenset(citation["chunk_id"] for citation in trace.citations),
        sent=_sent(made or trace),
        cache=trace.cache if entry else "none",
        asked_as=entry.question if entry and trace.cache == "semantic" else "",
        degraded=tuple(trace.degraded),
        is_abstained=trace.abstained or _cites_nothing(trace),
        is_quoted=trace.model == extractive.MODEL,
        is_failed=trace.status != QueryTrace.Status.SUCCEEDED,
        was_compressed=(made or trace).saved_tokens > 0,
        kept=_kept(entry, trace) if entry else None,
    )


def has_content(comment: str) -> bool:
    """Whether it names anything that could be searched for."""
    return len(frozenset(term_counts(comment)) - QUESTION_TERMS) >= FEWEST_CONTENT_WORDS


def _cites_nothing(trace: QueryTrace) -> bool:
    """As models are told to, where the passages hold no answer."""
    is_written = trace.model not in ("", extractive.MODEL)
    return is_written and bool(trace.hits) and not trace.citations


def _entry(trace: QueryTrace) -> CacheEntry | None:
    """Of an answer that came from it; one that made it has its own context."""
    if trace.cache not in ("exact", "semantic") or trace.cache_entry_id is None:
        return None
    return CacheEntry.objects.filter(pk=trace.cache_entry_id).first()


def _sent(trace: QueryTrace) -> str:
    return "\n".join(message["content"] for message in trace.prompt or [])


def _kept(entry: CacheEntry, trace: QueryTrace) -> KeptContext:
    return KeptContext(
        question=entry.question,
        # Only what was asked for in the same way is answered from it.
        top_k=trace.asked.get("top_k"),
        filters=trace.filters,
        vector=np.asarray(entry.embedding, np.float32),
        rewrites=tuple(entry.rewrites),
        fingerprint=entry.context_fingerprint,
    )
