"""Ratings as the API shows them: with what was found out and done about them, as far as one may know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from retrieval.models import Feedback
from retrieval.review_list import ReviewRow, describe_rows
from retrieval.services.feedback import LONGEST_COMMENT, REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from retrieval.trace_view import TraceView
    from tenants.config import Caller

    Rated = dict[UUID, dict[str, Any]]

# Of a diagnosis, for those who may read the passage that it names.
DETAIL = (
    "document_id", "chunk_id", "path", "access_level", "evidence", "needed", "explanation", "fix",
)  # fmt: skip


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    """`status`: open, fixed or dismissed. `new_answer_id`: the question asked again after a fix."""

    rating = serializers.ChoiceField(Feedback.Rating.choices)
    reason = serializers.ChoiceField(list(REASONS), required=False, allow_blank=True)
    comment = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_COMMENT)
    new_answer_id = serializers.UUIDField(source="new_trace_id", read_only=True, allow_null=True)

    class Meta:
        model = Feedback
        fields = (
            "rating", "reason", "comment", "rated_by", "created_at", "updated_at", "status",
            "new_answer_id",
        )  # fmt: skip
        read_only_fields = ("rated_by", "created_at", "updated_at", "status")


class DiagnosedFeedbackSerializer(FeedbackSerializer):
    """For the scope admin. Where an answer was lost may tell of documents above the asker's levels."""

    diagnosis = serializers.CharField(read_only=True)
    diagnosed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    diagnosis_detail = serializers.DictField(read_only=True)
    golden_question_id = serializers.UUIDField(read_only=True, allow_null=True)

    class Meta(FeedbackSerializer.Meta):
        fields = (
            *FeedbackSerializer.Meta.fields,
            "diagnosis", "diagnosed_at", "diagnosis_detail", "golden_question_id",
        )  # fmt: skip


def rated(views: Iterable[TraceView], caller: Caller) -> Rated:
    """Of each answer that was rated, by its id."""
    found = [getattr(view.trace, "feedback", None) for view in views]
    feedback = [each for each in found if each is not None]
    if "admin" not in caller.scopes:
        return {each.pk: dict(FeedbackSerializer(each).data) for each in feedback}
    rows = describe_rows(feedback, caller.access_levels)
    return {row.feedback.pk: _diagnosed(row) for row in rows}


def _diagnosed(row: ReviewRow) -> dict[str, Any]:
    detail = {name: row.detail[name] for name in DETAIL if name in row.detail}
    if row.label and not row.may_read:
        detail = {"explanation": row.explanation}
    shown = {"diagnosis": row.diagnosis, "diagnosis_detail": detail}
    return DiagnosedFeedbackSerializer(row.feedback).data | shown
