"""A recorded query as one person may see it: nothing from above their access levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrieval.models import Document, QueryTrace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class TraceView:
    """`withheld`: the answer drew on documents that this person may not read. `prompt`: None where no
    model was asked, and where it holds what this person may not read (`prompt_withheld`).
    `searched_for`: a follow-up with what was said before, to whoever may read all that was."""

    trace: QueryTrace
    answer: str
    citations: list[dict[str, Any]]
    hits: list[dict[str, Any]]
    dropped: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    withheld: bool = False
    hidden_hits: int = 0
    openable: frozenset[str] = field(default_factory=frozenset)
    prompt: list[dict[str, str]] | None = None
    prompt_withheld: bool = False
    searched_for: str = ""


def traces_for(*, user_id: int, sees_everybody: bool) -> QuerySet[QueryTrace]:
    """Without what only a trace's own page shows."""
    traces = QueryTrace.objects.defer("prompt", "terms")
    return traces if sees_everybody else traces.filter(user_id=user_id)


def view_trace(trace: QueryTrace, access_levels: Sequence[str]) -> TraceView:
    return view_traces([trace], access_levels)[0]


def view_traces(traces: Iterable[QueryTrace], access_levels: Sequence[str]) -> list[TraceView]:
    traces = list(traces)
    levels = _present_levels(traces)
    return [_view(trace, levels, frozenset(access_levels)) for trace in traces]


def _present_levels(traces: list[QueryTrace]) -> dict[str, str]:
    """The level of each document today: it may have been raised since the question."""
    rows = [row for trace in traces for row in [*trace.hits, *trace.citations, *trace.dropped]]
    ids = {row["document_id"] for row in rows}
    found = Document.objects.filter(id__in=ids).values_list("id", "access_level") if ids else ()
    return {str(document_id): level for document_id, level in found}


def _view(trace: QueryTrace, present: dict[str, str], allowed: frozenset[str]) -> TraceView:
    def may_see(row: dict[str, Any]) -> bool:
        levels = {present.get(row["document_id"]), row.get("access_level")} - {None}
        return bool(levels) and levels <= allowed

    # Lists have not read it from the database.
    prompt = None if "prompt" in trace.get_deferred_fields() else trace.prompt
    hits = [hit for hit in trace.hits if may_see(hit)]
    seen_at = {hit["chunk_id"]: hit["access_level"] for hit in trace.hits}
    levelled = [{**row, "access_level": seen_at.get(row["chunk_id"])} for row in trace.citations]
    citations = [row for row in levelled if may_see(row)]
    withheld = len(hits) < len(trace.hits) or len(citations) < len(levelled)
    # What was said before rests on whatever the asker could read, and an answer may repeat it.
    has_levels = set(trace.access_levels) <= allowed
    withheld = withheld or bool(trace.asked.get("history") and not has_levels)
    may_read_all = not withheld and has_levels
    # A prompt holds the text of its passages: not once a document of them is deleted.
    is_readable = may_read_all and all(hit["document_id"] in present for hit in trace.hits)
    return TraceView(
        trace=trace,
        answer="" if withheld else trace.answer,
        citations=citations,
        hits=hits,
        dropped=[row for row in trace.dropped if may_see(row)],
        withheld=withheld,
        hidden_hits=len(trace.hits) - len(hits),
        openable=frozenset(name for name, level in present.items() if level in allowed),
        prompt=prompt if is_readable else None,
        prompt_withheld=bool(prompt) and not is_readable,
        searched_for=trace.standalone_question if may_read_all else "",
    )
