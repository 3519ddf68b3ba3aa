"""A recorded query as one person may see it: nothing from above their access levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrieval.models import Conversation, Document, QueryTrace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class TraceView:
    """`withheld`: the answer drew on documents that this person may not read."""

    trace: QueryTrace
    answer: str
    citations: list[dict[str, Any]]
    hits: list[dict[str, Any]]
    withheld: bool = False
    hidden_hits: int = 0
    openable: frozenset[str] = field(default_factory=frozenset)


def traces_for(*, user_id: int, sees_everybody: bool) -> QuerySet[QueryTrace]:
    traces = QueryTrace.objects.select_related("feedback")
    return traces if sees_everybody else traces.filter(user_id=user_id)


def view_trace(trace: QueryTrace, access_levels: Sequence[str]) -> TraceView:
    return view_traces([trace], access_levels)[0]


def view_traces(traces: Iterable[QueryTrace], access_levels: Sequence[str]) -> list[TraceView]:
    traces = list(traces)
    levels = _present_levels(traces)
    return [_view(trace, levels, frozenset(access_levels)) for trace in traces]


def _present_levels(traces: list[QueryTrace]) -> dict[str, str]:
    """The level of each document today: it may have been raised since the question."""
    ids = {row["document_id"] for trace in traces for row in [*trace.hits, *trace.citations]}
    rows = Document.objects.filter(id__in=ids).values_list("id", "access_level") if ids else ()
    return {str(document_id): level for document_id, level in rows}


def _view(trace: QueryTrace, present: dict[str, str], allowed: frozenset[str]) -> TraceView:
    def may_see(row: dict[str, Any]) -> bool:
        levels = {present.get(row["document_id"]), row.get("access_level")} - {None}
        return bool(levels) and levels <= allowed

    hits = [hit for hit in trace.hits if may_see(hit)]
    seen_at = {hit["chunk_id"]: hit["access_level"] for hit in trace.hits}
    levelled = [{**row, "access_level": seen_at.get(row["chunk_id"])} for row in trace.citations]
    citations = [row for row in levelled if may_see(row)]
    withheld = len(hits) < len(trace.hits) or len(citations) < len(levelled)
    return TraceView(
        trace=trace,
        answer="" if withheld else trace.answer,
        citations=citations,
        hits=hits,
        withheld=withheld,
        hidden_hits=len(trace.hits) - len(hits),
        openable=frozenset(name for name, level in present.items() if level in allowed),
    )


def recent_conversations(user_id: int, most: int = 20) -> list[dict[str, Any]]:
    """The person's own, newest first, each under the question it began with."""
    first_question = (
        QueryTrace.objects.filter(conversation__user_id=user_id, user_id=user_id)
        .order_by("conversation_id", "created_at")
        .distinct("conversation_id")
    )
    rows = first_question.values("conversation_id", "question", "created_at")
    return sorted(rows, key=lambda row: row["created_at"], reverse=True)[:most]


def conversation_turns(conversation_id: UUID, user_id: int, most: int = 50) -> list[QueryTrace]:
    if not Conversation.objects.filter(id=conversation_id, user_id=user_id).exists():
        return []
    turns = QueryTrace.objects.filter(conversation_id=conversation_id, user_id=user_id)
    newest = turns.select_related("feedback").order_by("-created_at")[:most]
    return list(newest)[::-1]
