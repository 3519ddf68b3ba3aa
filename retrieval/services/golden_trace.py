"""A recorded answer as a golden question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.services.golden import add_golden_question
from retrieval.services.review import make_golden
from retrieval.trace_view import view_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.models import QueryTrace


def make_golden_of(trace: QueryTrace, *, by: str, allowed_levels: Sequence[str]) -> None:
    """The question as it was asked, and the documents that were cited are those to be found; of a
    thumbs-down, what its diagnosis says.

    Raises Conflict where it is one already, InvalidRequest, PermissionDenied.
    """
    if trace.rating == "down":
        make_golden(trace.pk, by=by, allowed_levels=allowed_levels)
        return
    cited = view_trace(trace, allowed_levels).citations
    add_golden_question(
        question=trace.standalone_question or trace.question,
        access_levels=trace.access_levels,
        expected_paths=list(dict.fromkeys(row["path"] for row in cited)),
        must_abstain=trace.abstained,
        origin="trace",
        trace_id=trace.pk,
        created_by=by,
        allowed_levels=allowed_levels,
    )
