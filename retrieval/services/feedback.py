"""Ratings of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from ragadmin.errors import Conflict, InvalidRequest, NotFound
from retrieval import events
from retrieval.bookkeeping import book
from retrieval.models import Feedback, QueryTrace
from retrieval.services.cache import allow_answer, evict_answer
from retrieval.tasks import hint_diagnosis
from tenants.context import current_tenant

if TYPE_CHECKING:
    from uuid import UUID

REASONS = {
    "wrong": "The answer is wrong",
    "incomplete": "Something is missing",
    "not_found": "The documents say it, the answer does not",
    "outdated": "It is out of date",
    "other": "Something else",
}
LONGEST_COMMENT = 2_000
UNDIAGNOSED: dict[str, Any] = {"diagnosis": "", "diagnosis_detail": {}, "diagnosed_at": None}


def rate_answer(
    *, trace_id: UUID, rating: str, reason: str = "", comment: str = "", rated_by: str
) -> Feedback:
    """Rating again replaces; a thumbs-down takes the answer out of the cache. Who only repeats what
    is said already changes nothing, nor who is told of a better answer.

    Raises InvalidRequest, NotFound; the tenant is in force.
    """
    comment = comment.strip().replace("\x00", "")
    _check(rating, reason, comment)
    # Two who rate it at once: the second replaces what the first said, in the books as well.
    trace = QueryTrace.objects.select_for_update(of=("self",)).filter(id=trace_id).first()
    if trace is None:
        raise NotFound("There is no such answer.")
    if trace.status == QueryTrace.Status.RUNNING:
        raise Conflict(
            "This answer is still being given: rate it when it is there.", code="running"
        )
    before = Feedback.objects.filter(trace_id=trace_id).first()
    said = {"rating": rating, "reason": reason, "comment": comment}
    if before is None or any(getattr(before, name) != said[name] for name in said):
        feedback, _ = Feedback.objects.update_or_create(
            trace_id=trace_id, defaults=said | {"rated_by": rated_by} | _from_the_start()
        )
    else:
        feedback = before
    change = {value: (rating == value) - _was(before, value) for value in Feedback.Rating.values}
    if any(change.values()):
        book(events.ledger.rated, answer_ids=[trace_id], **change)
    (evict_answer if rating == Feedback.Rating.DOWN else allow_answer)(trace)
    if rating == Feedback.Rating.DOWN and feedback.diagnosed_at is None:
        tenant_id = current_tenant().id
        transaction.on_commit(lambda: hint_diagnosis(tenant_id))
    return feedback


def _from_the_start() -> dict[str, Any]:
    """What was found out and done about another rating says nothing about this one."""
    return {
        "status": Feedback.Status.OPEN,
        "resolved_at": None,
        "resolved_by": "",
        "asked_again_at": None,
        "ask_again_error": "",
        "new_trace_id": None,
        "seen_at": None,
        **UNDIAGNOSED,
    }


def _was(feedback: Feedback | None, rating: str) -> bool:
    return feedback is not None and feedback.rating == rating


def _check(rating: str, reason: str, comment: str) -> None:
    if rating not in Feedback.Rating.values:
        raise InvalidRequest("The rating is up or down.", extra={"field": "rating"})
    if reason and reason not in REASONS:
        raise InvalidRequest(
            f"The reason is one of {', '.join(REASONS)}, or none.", extra={"field": "reason"}
        )
    if len(comment) > LONGEST_COMMENT:
        raise InvalidRequest(
            f"The comment has {len(comment):,} characters; at most {LONGEST_COMMENT:,} are kept.",
            extra={"field": "comment"},
        )
