"""What is done about answers that were rated down. With the tenant in force."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from ragadmin.errors import Conflict, InvalidRequest, NotFound
from retrieval.models import Feedback, GoldenQuestion, QueryTrace
from retrieval.services.feedback import UNDIAGNOSED
from retrieval.services.golden import add_golden_question
from retrieval.tasks import hint_again, hint_diagnosis
from tenants.context import current_tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

# A worker that died with the question is not waited for.
LONGEST_WAIT = timedelta(minutes=3)
MOST_AT_ONCE = 500
# Answers cost money: of many that are marked fixed at once, so many are asked again by themselves.
MOST_ASKED = 20


def thumbs_down() -> QuerySet[Feedback]:
    return Feedback.objects.filter(rating=Feedback.Rating.DOWN)


def find_thumbs_down(trace_id: UUID) -> Feedback:
    """Raises NotFound."""
    found = thumbs_down().select_related("trace").filter(trace_id=trace_id).first()
    if found is None:
        raise NotFound("There is no such answer, or it is not rated down any more.")
    return found


def resolve(trace_ids: Sequence[UUID], status: str, *, by: str) -> dict[UUID, str]:
    """Fixed, dismissed, or open again; those that changed, with what they were. Raises InvalidRequest."""
    if status not in Feedback.Status.values:
        raise InvalidRequest(f"The status is one of {', '.join(Feedback.Status.values)}.")
    wanted = thumbs_down().filter(trace_id__in=list(trace_ids)[:MOST_AT_ONCE])
    changing = wanted.exclude(status=status).select_for_update().order_by("trace_id")
    before = dict(changing.values_list("trace_id", "status"))
    is_open = status == Feedback.Status.OPEN
    # Not `save`: when it was rated stays what it was.
    Feedback.objects.filter(trace_id__in=before).update(
        status=status,
        resolved_at=None if is_open else timezone.now(),
        resolved_by="" if is_open else by[:254],
    )
    return before


def diagnose_again(trace_id: UUID) -> None:
    """In the background. Raises NotFound."""
    find_thumbs_down(trace_id)
    Feedback.objects.filter(trace_id=trace_id).update(**UNDIAGNOSED)
    tenant_id = current_tenant().id
    transaction.on_commit(lambda: hint_diagnosis(tenant_id))


def is_being_asked(feedback: Feedback) -> bool:
    begun = feedback.asked_again_at
    if begun is None or feedback.new_trace_id or feedback.ask_again_error:
        return False
    return begun > timezone.now() - LONGEST_WAIT


def start_again(trace_id: UUID) -> None:
    """Asks the question again in the background. Raises NotFound, Conflict while it is being asked."""
    find_thumbs_down(trace_id)
    feedback = Feedback.objects.select_for_update().get(trace_id=trace_id)
    if is_being_asked(feedback):
        raise Conflict("The question is being asked again: wait for the answer.")
    Feedback.objects.filter(trace_id=trace_id).update(
        asked_again_at=timezone.now(), ask_again_error="", new_trace_id=None, seen_at=None
    )
    tenant_id = current_tenant().id
    transaction.on_commit(lambda: hint_again(tenant_id, trace_id))


def tell_raters(trace_ids: Iterable[UUID]) -> int:
    """Of those that are fixed now: what was not asked again since it was rated is asked, so that
    whoever rated has an answer to see. How many."""
    fixed = thumbs_down().filter(trace_id__in=list(trace_ids), status=Feedback.Status.FIXED)
    waiting = [each for each in fixed.filter(new_trace_id=None) if not is_being_asked(each)]
    for each in waiting[:MOST_ASKED]:
        with suppress(Conflict):  # somebody else was faster
            start_again(each.pk)
    return len(waiting[:MOST_ASKED])


def make_golden(trace_id: UUID, *, by: str, allowed_levels: Sequence[str]) -> UUID:
    """The question as it was asked, with the document that has to be found; if the asker may not read
    it, the right thing is to say that nothing is known. Of a document that the one who makes it may
    not read either, nothing is said.

    One that is there already is linked. Raises NotFound, InvalidRequest, PermissionDenied.
    """
    feedback = find_thumbs_down(trace_id)
    trace = feedback.trace
    paths = _expected_paths(feedback, set(trace.access_levels) & set(allowed_levels))
    is_hidden = (
        feedback.diagnosis == Feedback.Diagnosis.NOT_PERMITTED
        and feedback.diagnosis_detail.get("access_level") in allowed_levels
    )
    try:
        golden_id = add_golden_question(
            question=trace.standalone_question or trace.question,
            access_levels=trace.access_levels,
            expected_paths=paths,
            must_abstain=is_hidden and not paths,
            note=feedback.comment,
            origin="trace",
            trace_id=trace_id,
            created_by=by,
            allowed_levels=allowed_levels,
        ).id
    except Conflict as error:
        if "golden_question" not in error.extra:
            raise
        golden_id = GoldenQuestion.objects.get(pk=error.extra["golden_question"]).id
    Feedback.objects.filter(trace_id=trace_id).update(golden_question_id=golden_id)
    return golden_id


def _expected_paths(feedback: Feedback, levels: set[str]) -> list[str]:
    """The document that the diagnosis names, or those that the answer after the fix cites."""
    detail = feedback.diagnosis_detail
    if detail.get("path") and detail.get("access_level") in levels:
        return [detail["path"]]
    new = QueryTrace.objects.filter(pk=feedback.new_trace_id).first()
    if new is None:
        return []
    level_of = {hit["chunk_id"]: hit["access_level"] for hit in new.hits}
    cited = [row["path"] for row in new.citations if level_of.get(row["chunk_id"]) in levels]
    return list(dict.fromkeys(cited))
