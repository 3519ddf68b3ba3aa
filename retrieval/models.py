"""The tenant schema: everything a customer wrote or was told.

No table refers to a public one: people and keys are plain ids, so that a schema can move to
another node. Rows belong to the tenant in force by the database's own default.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from pgvector.django import HalfVectorField, SparseVectorField

from tenants.tables import TenantManager, TenantModel

if TYPE_CHECKING:
    from uuid import UUID

# The type stubs know no db_default for JSON.
EMPTY_LIST: Any = models.Value([], models.JSONField())
EMPTY_OBJECT: Any = models.Value({}, models.JSONField())
# What the list of documents is filtered by and counted by.
LISTED_BY = ("status", "access_level", "source", "error_code")


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


class CurrentDocuments(TenantManager):
    """Without what was deleted or replaced by a sync and is kept to be brought back."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(removed_at=None)


class KeptDocuments(TenantManager):
    """What a sync deleted or replaced. It has no rows in Chunk, so no search can find it."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().exclude(removed_at=None)


class Document(TenantModel):
    class SyncAction(models.TextChoices):
        """What `sync_run` set out to do; `unchanged` when the content turned out to be the same."""

        ADD = "add"
        UPDATE = "update"
        RENAME = "rename"
        DELETE = "delete"
        UNCHANGED = "unchanged"

    class Status(models.TextChoices):
        QUEUED = "queued"
        INDEXING = "indexing"
        READY = "ready"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE)
    # Its name in the source, by which the connector finds it; of an upload its path.
    external_id = models.TextField()
    path = models.CharField(max_length=1000)
    title = models.CharField(max_length=500, blank=True, default="")
    access_level = models.CharField(max_length=40)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    stage = models.CharField(max_length=20, blank=True, default="")
    error_code = models.CharField(max_length=20, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    # SHA-256 of the bytes as uploaded, and of the bytes that the searchable chunks came from.
    content_hash = models.CharField(max_length=64)
    indexed_hash = models.CharField(max_length=64, blank=True, default="")
    media_type = models.CharField(max_length=120, blank=True, default="")
    size_bytes = models.BigIntegerField()
    # Of an upload; what a sync brings is read from its source.
    storage_key = models.CharField(max_length=300, blank=True, default="", db_default="")
    # The source's sign that the content may have changed, as of `content_hash`; empty: unknown.
    fingerprint = models.CharField(max_length=300, blank=True, default="", db_default="")
    # What the connector wants to know again at the next listing.
    source_state = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    # The run that changed it last, or is about to.
    sync_run = models.ForeignKey(SyncRun, null=True, on_delete=models.SET_NULL, db_index=False)
    sync_action = models.CharField(
        max_length=10, choices=SyncAction.choices, blank=True, default="", db_default=""
    )
    # Up to which generation of chunks it is indexed (Tenant.generation, next_generation).
    indexed_generation = models.PositiveIntegerField(default=0, db_default=0)
    markdown = models.TextField(blank=True, default="")
    page_count = models.PositiveIntegerField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)
    token_count = models.PositiveIntegerField(default=0)
    uploaded_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    indexed_at = models.DateTimeField(null=True)
    # A version that `removed_by` (a run) deleted or replaced, with its chunks as JSON rows.
    removed_at = models.DateTimeField(null=True)
    removed_by = models.UUIDField(null=True)
    kept_chunks = models.JSONField(null=True)

    objects = CurrentDocuments()
    kept = KeptDocuments()
    every = TenantManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "source", "external_id"],
                condition=models.Q(removed_at=None),
                name="document_in_source_once",
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "-created_at"], name="document_newest"),
            models.Index(
                fields=["sync_run", "status"],
                name="document_of_run",
                condition=models.Q(sync_run__isnull=False),
            ),
            models.Index(fields=["tenant_id", "content_hash"], name="document_content"),
            # Pages of the list and its counts, from the index alone however many rows there are.
            models.Index(
                fields=["tenant_id", "updated_at", "id"],
                include=[*LISTED_BY, "size_bytes", "chunk_count"],
                name="document_listed",
                condition=models.Q(removed_at=None),
            ),
            models.Index(
                fields=["tenant_id", "path", "id"],
                include=LISTED_BY,
                name="document_by_path",
                condition=models.Q(removed_at=None),
            ),
            models.Index(
                fields=["tenant_id", *LISTED_BY],
                name="document_counted",
                condition=models.Q(removed_at=None),
            ),
            models.Index(fields=["tenant_id", "-indexed_at"], name="document_indexed"),
            # What is left to index for another generation.
            models.Index(
                fields=["tenant_id", "indexed_generation", "status"],
                name="document_behind",
                condition=models.Q(removed_at__isnull=True, chunk_count__gt=0),
            ),
            models.Index(
                fields=["removed_by"],
                name="document_kept",
                condition=models.Q(removed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.path

    if TYPE_CHECKING:
        source_id: UUID
        sync_run_id: UUID | None


class Chunk(TenantModel):
    """A passage as it is searched. Partitioned by `tenant_id`; its key is (tenant_id, id)."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(Document, on_delete=models.CASCADE)
    generation = models.PositiveIntegerField(default=1, db_default=1)
    ordinal = models.PositiveIntegerField()
    text = models.TextField()
    heading_path = models.TextField(blank=True, default="")
    # Where the passage stands in Document.markdown, in characters.
    start_char = models.PositiveIntegerField()
    end_char = models.PositiveIntegerField()
    # SHA-256 of what was embedded: heading path and text.
    content_hash = models.CharField(max_length=64)
    token_count = models.PositiveIntegerField()
    access_level = models.CharField(max_length=40)
    embedding = HalfVectorField()
    # BM25: term ids (retrieval.terms) for the index, saturated term frequencies for the ranking.
    terms = ArrayField(models.IntegerField())
    term_weights = SparseVectorField()

    def __str__(self) -> str:
        return f"{self.document_id} #{self.ordinal}"

    if TYPE_CHECKING:
        document_id: UUID


class TermFrequency(TenantModel):
    """In how many of the tenant's chunks of a generation a term stands: BM25's document frequency."""

    # No key that counts rows: tenants share a table when their schema is a pool.
    pk = models.CompositePrimaryKey("tenant_id", "generation", "term")
    generation = models.PositiveIntegerField(default=1, db_default=1)
    term = models.IntegerField()
    chunks = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.term}: {self.chunks}"


class Conversation(TenantModel):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.BigIntegerField(null=True)
    api_key_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return str(self.id)


class QueryTrace(TenantModel):
    """One question from its arrival to its recorded answer. Written by retrieval.query.record."""

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, null=True, on_delete=models.SET_NULL)
    user_id = models.BigIntegerField(null=True)
    api_key_id = models.UUIDField(null=True)
    asked_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    access_levels = ArrayField(models.CharField(max_length=40))
    status = models.CharField(max_length=10, choices=Status.choices, db_default=Status.RUNNING)
    error_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    question = models.TextField()
    answer = models.TextField(blank=True, default="", db_default="")
    citations = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    hits = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    spans = models.JSONField(default=list, db_default=EMPTY_LIST)  # pyright: ignore[reportCallIssue]
    model = models.CharField(max_length=120, blank=True, default="", db_default="")
    tier = models.CharField(max_length=20, blank=True, default="", db_default="")
    route_reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    cache = models.CharField(max_length=10, default="none", db_default="none")
    similarity_avg = models.FloatField(null=True)
    similarity_max = models.FloatField(null=True)
    input_tokens = models.IntegerField(default=0, db_default=0)
    output_tokens = models.IntegerField(default=0, db_default=0)
    # By component, as in the contract; null where the price is unknown, never zero for it.
    cost_usd = models.JSONField(default=dict, db_default=EMPTY_OBJECT)  # pyright: ignore[reportCallIssue]
    total_cost_usd = models.DecimalField(max_digits=14, decimal_places=9, null=True)
    duration_ms = models.FloatField(null=True)
    first_token_ms = models.FloatField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "-created_at"], name="trace_newest"),
            models.Index(fields=["conversation", "created_at"], name="trace_conversation"),
            models.Index(
                fields=["created_at"],
                name="trace_running",
                condition=models.Q(status="running"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    if TYPE_CHECKING:
        feedback: Feedback


class Feedback(TenantModel):
    class Rating(models.TextChoices):
        UP = "up"
        DOWN = "down"

    trace = models.OneToOneField(QueryTrace, primary_key=True, on_delete=models.CASCADE)
    rating = models.CharField(max_length=4, choices=Rating.choices)
    reason = models.CharField(max_length=40, blank=True, default="")
    comment = models.TextField(blank=True, default="")
    rated_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.rating
