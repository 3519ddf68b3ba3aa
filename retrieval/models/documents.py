"""Documents, and the passages that are searched."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from pgvector.django import HalfVectorField, SparseVectorField

from retrieval.models.sources import Source, SyncRun
from tenants.tables import EMPTY_OBJECT, TenantManager, TenantModel

if TYPE_CHECKING:
    from uuid import UUID

# What the list of documents is filtered by and counted by.
LISTED_BY = ("status", "access_level", "source", "error_code")


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
