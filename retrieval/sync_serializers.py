"""Sources and sync runs as the API shows them, and what it takes to make or change a source."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from retrieval.models import Source, SyncError, SyncRun
from retrieval.serializers import DocumentErrorSerializer
from retrieval.services.schedules import schedule_json
from retrieval.services.sources import MOST_KEEP_DAYS


class ScheduleSerializer(serializers.Serializer[Any]):
    """One of `every_minutes` and `crontab`. The rest is told, not taken, but for `timezone`."""

    every_minutes = serializers.IntegerField(required=False)
    crontab = serializers.CharField(required=False)
    timezone = serializers.CharField(required=False)
    paused = serializers.BooleanField(read_only=True)
    next_run_at = serializers.DateTimeField(read_only=True, allow_null=True)


@extend_schema_field(ScheduleSerializer(allow_null=True))
class ScheduleField(serializers.DictField):
    """Judged by the service, which says what a schedule can be."""


class SourceWriteSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    config = serializers.DictField(required=False)
    access_level = serializers.CharField(max_length=40)
    schedule = ScheduleField(
        required=False,
        allow_null=True,
        help_text="Every 15 minutes where it is left out or null.",
    )
    credentials = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        required=False,
        write_only=True,
        help_text="Kept encrypted and never shown. Which there are depends on the kind.",
    )
    max_deleted_share = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text="A run that would delete more of the documents waits for confirmation.",
    )
    keep_days = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_KEEP_DAYS,
        help_text="How long deleted and replaced documents can be brought back.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A misspelled key would otherwise be left out without a word."""
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {unknown[0]: f"There is no such field; there are {known}."}
            )
        return attrs


class SourceCreateSerializer(SourceWriteSerializer):
    kind = serializers.CharField(max_length=20, help_text="`folder`, `web` or `upload`.")


class SourceChangeSerializer(SourceWriteSerializer):
    """Whatever is left out stays as it is. `config` is replaced as a whole."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "kind" in self.initial_data:
            raise serializers.ValidationError(
                {"kind": "A source keeps its kind: make a new source, and delete this one."}
            )
        return super().validate(attrs)


class LastRunSerializer(serializers.ModelSerializer[SyncRun]):
    class Meta:
        model = SyncRun
        fields = ("id", "status", "trigger", "started_at", "finished_at")
        read_only_fields = fields


class SourceSerializer(serializers.ModelSerializer[Source]):
    """Takes `schedules` and `last_runs` as context, by the source's id: each is one query for all."""

    schedule = serializers.SerializerMethodField()
    last_run = serializers.SerializerMethodField()
    has_credentials = serializers.SerializerMethodField()
    documents = serializers.IntegerField(read_only=True)
    failed_documents = serializers.IntegerField(read_only=True)

    class Meta:
        model = Source
        fields = (
            "id",
            "name",
            "kind",
            "config",
            "has_credentials",
            "schedule",
            "access_level",
            "max_deleted_share",
            "keep_days",
            "documents",
            "failed_documents",
            "last_run",
            "last_full_check_at",
            "created_by",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    @extend_schema_field(ScheduleSerializer(allow_null=True))
    def get_schedule(self, source: Source) -> dict[str, Any] | None:
        """Null for uploaded files, which nothing fetches."""
        return schedule_json(self.context["schedules"].get(source.pk))

    @extend_schema_field(LastRunSerializer(allow_null=True))
    def get_last_run(self, source: Source) -> dict[str, Any] | None:
        """The newest that was no dry run."""
        run: SyncRun | None = self.context["last_runs"].get(source.pk)
        return LastRunSerializer(run).data if run else None

    def get_has_credentials(self, source: Source) -> bool:
        return bool(source.credentials_encrypted)


class SyncRequestSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(
        default=False, help_text="Makes and stores the plan, and stops there."
    )
    full_check = serializers.BooleanField(
        default=False, help_text="Reads every file, also those that look unchanged."
    )


class StartedSerializer(serializers.Serializer[Any]):
    sync_run = serializers.UUIDField()


class SyncErrorSerializer(serializers.ModelSerializer[SyncError]):
    class Meta:
        model = SyncError
        fields = ("path", "code", "message")
        read_only_fields = fields


class SyncRunSerializer(serializers.ModelSerializer[SyncRun]):
    source = serializers.UUIDField(source="source_id")
    source_name = serializers.CharField(source="source.name")
    cost_usd = serializers.DecimalField(
        max_digits=14, decimal_places=9, coerce_to_string=False, allow_null=True
    )
    plan = serializers.DictField()
    timings = serializers.DictField(child=serializers.FloatField())
    error = serializers.SerializerMethodField()
    # The first of them (sync_selectors.add_first_errors); all are under paths/?kind=failed.
    errors = SyncErrorSerializer(source="first_errors", many=True)

    class Meta:
        model = SyncRun
        fields = (
            "id",
            "source",
            "source_name",
            "status",
            "stage",
            "trigger",
            "dry_run",
            "full_check",
            "retry_of",
            "started_by",
            "added",
            "updated",
            "deleted",
            "unchanged",
            "failed",
            "embedded_chunks",
            "reused_chunks",
            "embedded_tokens",
            "cost_usd",
            "plan",
            "timings",
            "created_at",
            "started_at",
            "finished_at",
            "undone_at",
            "error",
            "errors",
        )
        read_only_fields = fields

    @extend_schema_field(DocumentErrorSerializer(allow_null=True))
    def get_error(self, run: SyncRun) -> dict[str, str] | None:
        """Why the run as a whole did not succeed; what one document failed of is in `errors`."""
        if not run.error_code:
            return None
        return {"code": run.error_code, "message": run.error_message}


class ProgressSerializer(serializers.Serializer[Any]):
    stage = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    embedded_chunks = serializers.IntegerField()
    reused_chunks = serializers.IntegerField()
    documents_a_minute = serializers.FloatField(allow_null=True)
    seconds_left = serializers.FloatField(allow_null=True)


class SyncRunDetailSerializer(SyncRunSerializer):
    """Takes `progress` as context: null when the run is over."""

    progress = serializers.SerializerMethodField()

    class Meta(SyncRunSerializer.Meta):
        fields = (*SyncRunSerializer.Meta.fields, "progress")
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer(allow_null=True))
    def get_progress(self, run: SyncRun) -> dict[str, Any] | None:
        progress = self.context["progress"]
        return ProgressSerializer(progress).data if progress else None


class PathSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    note = serializers.CharField(allow_blank=True)
    document_id = serializers.UUIDField(allow_null=True)
