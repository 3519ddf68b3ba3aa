"""Answers that were rated down and corrected, for the person who rated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils import timezone

from ragadmin.errors import NotFound
from retrieval.models import Feedback, QueryTrace
from retrieval.trace_view import view_traces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from retrieval.trace_view import TraceView

# Of so many it is seen whether the reader may see the new answer.
MOST_TOLD, MOST_READ = 5, 20


@dataclass(frozen=True, slots=True)
class Correction:
    feedback: Feedback
    old: TraceView
    new: TraceView


def find_corrections(
    rated_by: str, visible: QuerySet[QueryTrace], access_levels: Sequence[str]
) -> list[Correction]:
    """Not seen yet, newest first: only where there is a new answer, and the reader may see it whole."""
    waiting = _corrected(rated_by).filter(seen_at=None).order_by("-resolved_at")
    return _read(list(waiting[:MOST_READ]), visible, access_levels)[:MOST_TOLD]


def open_correction(
    trace_id: UUID, rated_by: str, visible: QuerySet[QueryTrace], access_levels: Sequence[str]
) -> Correction:
    """Seen from now on. Raises NotFound."""
    found = _read(list(_corrected(rated_by).filter(trace_id=trace_id)), visible, access_levels)
    if not found:
        raise NotFound("There is no corrected answer of yours here.")
    Feedback.objects.filter(trace_id=trace_id, seen_at=None).update(seen_at=timezone.now())
    return found[0]


def note_seen(feedback: Feedback | None, rated_by: str) -> None:
    """Whoever rated reads, over the API, that it is fixed and which answer is the new one."""
    if feedback is None or feedback.new_trace_id is None or feedback.rated_by != rated_by:
        return
    if feedback.status == Feedback.Status.FIXED and feedback.seen_at is None:
        Feedback.objects.filter(pk=feedback.pk, seen_at=None).update(seen_at=timezone.now())


def _corrected(rated_by: str) -> QuerySet[Feedback]:
    return Feedback.objects.filter(
        rating=Feedback.Rating.DOWN,
        status=Feedback.Status.FIXED,
        rated_by=rated_by,
        new_trace_id__isnull=False,
    )


def _read(
    rows: list[Feedback], visible: QuerySet[QueryTrace], access_levels: Sequence[str]
) -> list[Correction]:
    if not rows:
        return []
    ids = {row.pk for row in rows} | {row.new_trace_id for row in rows}
    traces = list(visible.filter(id__in=ids))
    views = {view.trace.pk: view for view in view_traces(traces, access_levels)}
    pairs = [(row, views.get(row.pk), views.get(row.new_trace_id)) for row in rows]
    return [
        Correction(row, old, new)
        for row, old, new in pairs
        if old and new and not new.withheld and not new.trace.abstained
    ]
