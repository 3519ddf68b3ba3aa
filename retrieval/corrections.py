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

MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Correction:
    feedback: Feedback
    old: TraceView
    new: TraceView


def find_corrections(
    rated_by: str, visible: QuerySet[QueryTrace], access_levels: Sequence[str]
) -> list[Correction]:
    """Not seen yet, newest first: only where the new answer is one that the reader may see whole."""
    waiting = _corrected(rated_by).filter(seen_at=None).order_by("-resolved_at")
    return _read(list(waiting[:MOST_TOLD]), visible, access_levels)


def open_correction(
    trace_id: UUID, rated_by: str, visible: QuerySet[QueryTrace], access_levels: Sequence[str]
) -> Correction:
    """Seen from now on. Raises NotFound."""
    found = _read(list(_corrected(rated_by).filter(trace_id=trace_id)), visible, access_levels)
    if not found:
        raise NotFound("There is no corrected answer of yours here.")
    Feedback.objects.filter(trace_id=trace_id, seen_at=None).update(seen_at=timezone.now())
    return found[0]


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
        Correction(row, old, new) for row, old, new in pairs if old and new and not new.withheld
    ]
