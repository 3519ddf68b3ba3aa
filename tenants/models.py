"""The public schema: people, tenants, keys and numbers. No customer text."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


def default_access_levels() -> list[str]:
    return ["public", "internal"]


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        flags = {"is_staff": True, "is_superuser": True, "is_operator": True}
        return self.create_user(email, password, **(flags | fields))


class User(AbstractUser):
    """Signs in by email. An operator runs the fleet; what a person may do in a tenant is their Membership."""

    username = None
    email = models.EmailField(unique=True)
    is_operator = models.BooleanField(default=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.email


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


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        MEMBER = "member"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    role = models.CharField(max_length=10, choices=Role.choices)
    access_levels = ArrayField(models.CharField(max_length=40), default=default_access_levels)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_each")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant} as {self.role}"

    if TYPE_CHECKING:
        tenant_id: int


class ApiKey(models.Model):
    """Only the SHA-256 of a key is kept: it has 256 random bits, so a slow hash would add nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10))
    access_levels = ArrayField(models.CharField(max_length=40), default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEvent(models.Model):
    """Who did what to the installation or a tenant: names and ids, never content."""

    at = models.DateTimeField(db_default=Now(), db_index=True)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.SET_NULL)
    actor = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=200, blank=True, default="")
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"


class SchemaVersion(models.Model):
    """The migration each tenant schema is at, so that one query tells which are behind."""

    schema_name = models.CharField(max_length=63, primary_key=True)
    version = models.CharField(max_length=200)
    migrated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.schema_name} at {self.version}"


class DocumentJob(models.Model):
    """One document waiting to be indexed or being indexed. Ids only: the document is in its tenant.

    In public because workers take turns between tenants, which no query over one schema can do.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    document_id = models.UUIDField()
    # What people wait for is 0; indexing anew for another generation is 1.
    priority = models.PositiveSmallIntegerField(default=0, db_default=0)
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    available_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "document_id"], name="one_job_a_document")
        ]
        indexes = [
            models.Index(
                fields=["tenant", "priority", "available_at", "id"], name="document_job_turn"
            ),
            models.Index(
                fields=["tenant", "lease_until"],
                name="document_job_leased",
                condition=models.Q(lease_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"document {self.document_id}"

    if TYPE_CHECKING:
        tenant_id: int


class SyncSchedule(models.Model):
    """When a tenant's source is synced, in django-celery-beat's own terms. Ids only.

    In public because one query has to find what is due among all tenants: beat has one entry for
    all of them (retrieval.tasks.dispatch_syncs), however many sources there are.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    source_id = models.UUIDField()
    interval = models.ForeignKey(
        "django_celery_beat.IntervalSchedule", null=True, on_delete=models.PROTECT
    )
    crontab = models.ForeignKey(
        "django_celery_beat.CrontabSchedule", null=True, on_delete=models.PROTECT
    )
    is_paused = models.BooleanField(default=False, db_default=False)
    next_run_at = models.DateTimeField()
    # When deleted and replaced documents of the source are next looked through.
    purge_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            # An imported tenant's sources have the ids that they had.
            models.UniqueConstraint(fields=["tenant", "source_id"], name="one_schedule_a_source"),
            models.CheckConstraint(
                condition=models.Q(interval=None) ^ models.Q(crontab=None),
                name="interval_or_crontab",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_run_at"],
                name="sync_schedule_due",
                condition=models.Q(is_paused=False),
            ),
            models.Index(fields=["purge_at"], name="sync_schedule_purge"),
        ]

    def __str__(self) -> str:
        return f"source {self.source_id}"

    if TYPE_CHECKING:
        tenant_id: int


class SyncJob(models.Model):
    """A sync run that is not over: one a source, so two never overlap. Ids only, as DocumentJob."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    source_id = models.UUIDField()
    run_id = models.UUIDField()
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    available_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "source_id"], name="one_run_a_source")
        ]
        indexes = [models.Index(fields=["available_at", "id"], name="sync_job_available")]

    def __str__(self) -> str:
        return f"run {self.run_id}"

    if TYPE_CHECKING:
        tenant_id: int


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


class IsolationRun(models.Model):
    """One run of the canary matrix: every door, tried from every other tenant."""

    started_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)
    probes = models.PositiveIntegerField(default=0)
    leaks = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    results = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.probes} probes, {self.leaks} leaks"


class IsolationComparison(models.Model):
    """The three levels measured side by side on this installation."""

    measured_at = models.DateTimeField(db_default=Now(), editable=False)
    documents = models.PositiveIntegerField()
    results = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.documents} documents"
