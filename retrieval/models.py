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

from tenants.tables import TenantModel

if TYPE_CHECKING:
    from uuid import UUID

# The type stubs know no db_default for JSON.
EMPTY_LIST: Any = models.Value([], models.JSONField())
EMPTY_OBJECT: Any = models.Value({}, models.JSONField())


class Source(TenantModel):
    """Where documents come from. `upload` holds the files that people send by hand."""

    class Kind(models.TextChoices):
        UPLOAD = "upload"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "name"], name="source_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class Document(TenantModel):
    class Status(models.TextChoices):
        QUEUED = "queued"
        INDEXING = "indexing"
        READY = "ready"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE)
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
    storage_key = models.CharField(max_length=300)
    markdown = models.TextField(blank=True, default="")
    page_count = models.PositiveIntegerField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)
    token_count = models.PositiveIntegerField(default=0)
    uploaded_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    indexed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "source", "path"], name="document_path_once"
            )
        ]
        indexes = [models.Index(fields=["tenant_id", "-created_at"], name="document_newest")]

    def __str__(self) -> str:
        return self.path

    if TYPE_CHECKING:
        source_id: UUID


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
    """In how many of the tenant's chunks a term stands: BM25's document frequency."""

    # No key that counts rows: tenants share a table when their schema is a pool.
    pk = models.CompositePrimaryKey("tenant_id", "term")
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
