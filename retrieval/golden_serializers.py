"""Golden questions and evaluations as the API shows them, and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from retrieval.models import Evaluation, GoldenQuestion
from tenants.serializers import StrictSerializer, levels_field

if TYPE_CHECKING:
    from uuid import UUID


def texts(help_text: str, **options: Any) -> Any:
    return serializers.ListField(
        child=serializers.CharField(), required=False, help_text=help_text, **options
    )


class GoldenQuestionWriteSerializer(StrictSerializer):
    """Limits are judged by the service."""

    question = serializers.CharField(help_text="None is there twice for the same access levels.")
    access_levels = levels_field(
        required=False,
        help_text="It is asked as these and no others. Without them: those of the caller.",
    )
    expected_paths = texts("Paths of documents of which one has to be found.")
    expected_answer = serializers.CharField(required=False, allow_blank=True)
    must_contain = texts("Each has to stand in the answer, whatever its case.")
    must_abstain = serializers.BooleanField(
        required=False, help_text="The documents hold no answer, and it has to be said."
    )
    note = serializers.CharField(required=False, allow_blank=True)
    is_active = serializers.BooleanField(
        required=False, help_text="Evaluations leave out the others."
    )


class GoldenQuestionSerializer(serializers.ModelSerializer[GoldenQuestion]):
    class Meta:
        model = GoldenQuestion
        fields = (
            "id", "question", "access_levels", "expected_paths", "expected_answer", "must_contain",
            "must_abstain", "note", "is_active", "origin", "trace_id", "created_by", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class TrialSettingsSerializer(StrictSerializer):
    settings = serializers.DictField(
        required=False, help_text="Query settings by name, with top_k and min_similarity."
    )
    model = serializers.CharField(
        required=False, help_text="The model that answers, or auto: by the routes."
    )
    next_index = serializers.BooleanField(
        required=False, help_text="On the index that is being made with other settings."
    )


class EvaluationStartSerializer(StrictSerializer):
    changes = TrialSettingsSerializer(
        required=False, help_text="Tried, and not saved. Empty: the settings in force."
    )


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    """`summary` has shares from 0 to 1, null where no question asks for them, and `cost_usd` as text."""

    summary = serializers.DictField(read_only=True)
    configuration = serializers.DictField(read_only=True)
    changes = serializers.DictField(read_only=True)

    class Meta:
        model = Evaluation
        fields = (
            "id", "status", "trigger", "changes", "configuration", "questions", "done", "summary",
            "error", "created_by", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class PreviousSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    configuration_changes = serializers.ListField(child=serializers.CharField())
    changes = serializers.DictField(child=serializers.IntegerField(), help_text="By kind.")
    questions = serializers.ListField(
        child=serializers.DictField(), help_text="Those that changed, the worst first."
    )


class EvaluationDetailSerializer(EvaluationSerializer):
    results = serializers.ListField(child=serializers.DictField(), read_only=True)
    hidden_results = serializers.IntegerField(
        read_only=True, help_text="Asked above the caller's access levels."
    )
    previous = PreviousSerializer(allow_null=True, read_only=True)

    class Meta(EvaluationSerializer.Meta):
        fields = (*EvaluationSerializer.Meta.fields, "results", "hidden_results", "previous")
        read_only_fields = fields


class StartedEvaluationSerializer(serializers.Serializer[Any]):
    evaluation = serializers.UUIDField()


def started(evaluation_id: UUID) -> dict[str, str]:
    return {"evaluation": str(evaluation_id)}
