"""A tenant, where it is and on its way to, and the model endpoints it may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

if TYPE_CHECKING:
    from tenants.models.people import ApiKey, Membership

# Ten years.
MOST_TRACE_DAYS = 3_650
# The type stubs know no db_default for JSON.
EMPTY_OBJECT: Any = models.Value({}, models.JSONField())


def default_access_levels() -> list[str]:
    return ["public", "internal"]


class Provider(models.Model):
    """An OpenAI-compatible endpoint added in the console. The credential is stored encrypted."""

    name = models.CharField(max_length=100, unique=True)
    base_url = models.URLField()
    api_key_encrypted = models.TextField(blank=True, default="")
    small_model = models.CharField(max_length=100)
    large_model = models.CharField(max_length=100)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="one_default_provider",
            )
        ]

    def __str__(self) -> str:
        return self.name


class TenantQuerySet(models.QuerySet["Tenant"]):
    def customers(self) -> TenantQuerySet:
        """Without those that the installation makes for its own checks, which are nobody's."""
        found = self.exclude(slug__startswith=Tenant.CANARY_PREFIX)
        return found.exclude(slug__startswith=Tenant.COMPARISON_PREFIX)


class Tenant(models.Model):
    # Of the tenants that the isolation check makes for itself (retrieval.canaries).
    CANARY_PREFIX = "canary-"
    # Of those that a comparison of the levels makes and removes (retrieval.comparison).
    COMPARISON_PREFIX = "cmp-"
    KEPT_PREFIXES = (CANARY_PREFIX, COMPARISON_PREFIX)

    class Isolation(models.TextChoices):
        SCHEMA = "schema"
        PARTITION = "partition"
        SHARED = "shared"

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    slug = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    schema_name = models.CharField(max_length=63)
    isolation = models.CharField(max_length=10, choices=Isolation.choices, default=Isolation.SCHEMA)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    access_levels = ArrayField(models.CharField(max_length=40), default=default_access_levels)
    embedding_model = models.CharField(max_length=120)
    embedding_dimension = models.PositiveIntegerField()
    chunk_tokens = models.PositiveIntegerField(
        default=220, validators=[MinValueValidator(50), MaxValueValidator(2000)]
    )
    top_k = models.PositiveIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    min_similarity = models.FloatField(
        default=0.2, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    provider = models.ForeignKey(Provider, null=True, blank=True, on_delete=models.SET_NULL)
    # What differs from the defaults of tenants.query_settings.QuerySettings.
    query_settings = models.JSONField(default=dict, db_default=EMPTY_OBJECT, blank=True)  # pyright: ignore[reportCallIssue]
    # Where days and months of budgets and reports begin.
    timezone = models.CharField(max_length=60, default="UTC", db_default="UTC")
    # Null: no limit.
    questions_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    # Raised above the setting where sampled hits were wrong too often (retrieval.query.cache).
    raised_threshold = models.FloatField(null=True, editable=False)
    # How far an HNSW index is searched; 0: there is none, and every vector is compared.
    hnsw_ef = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    # Of the true ten nearest, the share that the index finds, by the last measurement.
    vector_recall = models.FloatField(null=True, editable=False)
    vector_checked_at = models.DateTimeField(null=True, editable=False)
    # Chunks that are searched. Beside them the next generation is made, with other settings or another
    # model, and takes their place when it is complete (retrieval.indexing.generations).
    generation = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    next_generation = models.PositiveIntegerField(null=True, editable=False)
    next_embedding_model = models.CharField(
        max_length=120, blank=True, default="", db_default="", editable=False
    )
    next_embedding_dimension = models.PositiveIntegerField(null=True, editable=False)
    next_chunk_tokens = models.PositiveIntegerField(null=True, editable=False)
    next_started_at = models.DateTimeField(null=True, editable=False)
    # From then on chunks of other generations than these two are deleted; null: there are none.
    stale_chunks_at = models.DateTimeField(null=True, editable=False)
    # Answers were rated down since then, and nobody has looked yet where they were lost; null: none.
    undiagnosed_at = models.DateTimeField(null=True, editable=False)
    # Complete, it waits for somebody to switch, who may try it on the golden questions before.
    next_is_held = models.BooleanField(default=False, db_default=False, editable=False)
    # Golden questions are asked every night. Null: there are none, or nobody wants it.
    evaluates_nightly = models.BooleanField(default=True, db_default=True)
    evaluation_due_at = models.DateTimeField(null=True, editable=False)
    # Recorded questions are deleted after so many days (retrieval.indexing.trace_upkeep). Null: never.
    trace_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_TRACE_DAYS)]
    )
    # Raised in the transaction that changes any document, so that readers can tell old from new.
    corpus_revision = models.BigIntegerField(default=0, db_default=0)
    last_served_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: TenantQuerySet = TenantQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        # What the clock looks for costs the same however many tenants there are.
        indexes = [
            models.Index(
                fields=["next_started_at"],
                name="tenant_reindexing",
                condition=models.Q(next_generation__isnull=False),
            ),
            models.Index(
                fields=["stale_chunks_at"],
                name="tenant_stale_chunks",
                condition=models.Q(stale_chunks_at__isnull=False),
            ),
            models.Index(
                fields=["undiagnosed_at"],
                name="tenant_undiagnosed",
                condition=models.Q(undiagnosed_at__isnull=False),
            ),
            models.Index(
                fields=["evaluation_due_at"],
                name="tenant_evaluation_due",
                condition=models.Q(evaluation_due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def is_canary(self) -> bool:
        return self.slug.startswith(self.CANARY_PREFIX)

    if TYPE_CHECKING:
        id: int
        membership_set: models.Manager[Membership]
        apikey_set: models.Manager[ApiKey]


class TenantMove(models.Model):
    """A tenant on its way from one isolation level to another. It is where it was until `succeeded`."""

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    from_isolation = models.CharField(max_length=10, choices=Tenant.Isolation.choices)
    to_isolation = models.CharField(max_length=10, choices=Tenant.Isolation.choices)
    from_schema = models.CharField(max_length=63)
    to_schema = models.CharField(max_length=63)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    stage = models.CharField(max_length=40, blank=True, default="")
    rows_total = models.BigIntegerField(default=0)
    rows_copied = models.BigIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    moved_by = models.CharField(max_length=254)
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], condition=models.Q(status="running"), name="one_running_move"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant} to {self.to_isolation}"


class RowChange(models.Model):
    """A row of a moving tenant that changed after it may have been copied: its table and key only."""

    tenant_id = models.BigIntegerField()
    table_name = models.CharField(max_length=63)
    row_key = models.CharField(max_length=80)

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "id"], name="row_change_order")]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_key}"
