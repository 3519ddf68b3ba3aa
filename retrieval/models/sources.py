"""Where documents come from, and each pass over it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now

from tenants.tables import EMPTY_OBJECT, TenantModel

if TYPE_CHECKING:
    from uuid import UUID


class Source(TenantModel):
    """Where documents come from. `kind` names a connector (retrieval.connectors).

    When it is synced stands in public (tenants.SyncSchedule), where one query finds what is due.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)
    config = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    # JSON, encrypted by tenants.secrets. Never shown, exported only as it stands here.
    credentials_encrypted = models.TextField(blank=True, default="", db_default="")
    # Of the documents that a sync adds.
    access_level = models.CharField(max_length=40, blank=True, default="", db_default="")
    # A run that would delete more than this share of the documents waits for confirmation.
    max_deleted_share = models.FloatField(default=0.3, db_default=0.3)
    # How long deleted and replaced documents are kept, so that a run can be undone.
    keep_days = models.PositiveIntegerField(default=7, db_default=7)
    last_full_check_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "name"], name="source_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class SyncRun(TenantModel):
    """One pass over a source. The plan is stored before anything is done."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        NEEDS_CONFIRMATION = "needs_confirmation"
        SUCCEEDED = "succeeded"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Trigger(models.TextChoices):
        MANUAL = "manual"
        SCHEDULE = "schedule"
        API = "api"
        COMMAND = "command"
        RETRY = "retry"

    class Stage(models.TextChoices):
        """Of a run that is not over. Each can be done again from its beginning."""

        PLANNING = "planning"
        APPLYING = "applying"
        INDEXING = "indexing"

    OPEN = (Status.QUEUED, Status.RUNNING, Status.NEEDS_CONFIRMATION)
    FINISHED = (Status.SUCCEEDED, Status.PARTIAL, Status.FAILED, Status.CANCELLED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, db_index=False)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    stage = models.CharField(max_length=10, choices=Stage.choices, blank=True, default="")
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    started_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    dry_run = models.BooleanField(default=False, db_default=False)
    # Reads every file, whatever its fingerprint says.
    full_check = models.BooleanField(default=False, db_default=False)
    # The run whose failed documents this one tries again, and only those.
    retry_of = models.UUIDField(null=True)
    cancel_requested = models.BooleanField(default=False, db_default=False)
    # What happened; of a dry run what would happen.
    added = models.PositiveIntegerField(default=0, db_default=0)
    updated = models.PositiveIntegerField(default=0, db_default=0)
    deleted = models.PositiveIntegerField(default=0, db_default=0)
    unchanged = models.PositiveIntegerField(default=0, db_default=0)
    failed = models.PositiveIntegerField(default=0, db_default=0)
    embedded_chunks = models.PositiveIntegerField(default=0, db_default=0)
    reused_chunks = models.PositiveIntegerField(default=0, db_default=0)
    embedded_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    # Null where the embedding model has no published price.
    cost_usd = models.DecimalField(max_digits=14, decimal_places=9, null=True)
    # Counts, bytes, estimated tokens and cost: retrieval.indexing.plan.Plan.as_json().
    plan = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    # The paths behind the counts, compressed: retrieval.indexing.run_paths.
    paths = models.BinaryField(default=b"", db_default=b"")
    # Milliseconds by stage.
    timings = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    error_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    # Deletions somebody has agreed to: the paths as they were shown, compressed like `paths`.
    confirmed = models.BinaryField(null=True)
    confirmed_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "-created_at"], name="sync_run_newest"),
            models.Index(fields=["source", "-created_at"], name="sync_run_of_source"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.status}"

    if TYPE_CHECKING:
        source_id: UUID


class SyncError(TenantModel):
    """Why one document failed in a run, in which it stands among the failed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sync_run = models.ForeignKey(
        SyncRun, on_delete=models.CASCADE, related_name="errors", db_index=False
    )
    external_id = models.TextField()
    path = models.CharField(max_length=1000)
    code = models.CharField(max_length=40)
    message = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sync_run", "external_id"], name="sync_error_once")
        ]

    def __str__(self) -> str:
        return f"{self.path}: {self.code}"
