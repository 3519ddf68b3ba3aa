"""What waits to be done, in public because workers take turns between tenants. Ids only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now

from tenants.models.tenant import Tenant


class SchemaVersion(models.Model):
    """The migration each tenant schema is at, so that one query tells which are behind."""

    schema_name = models.CharField(max_length=63, primary_key=True)
    version = models.CharField(max_length=200)
    migrated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.schema_name} at {self.version}"


class Leased(models.Model):
    """Taken by one worker for a time; another takes it when that has passed."""

    attempts = models.PositiveIntegerField(default=0, db_default=0)
    available_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True


class DocumentJob(Leased):
    """One document waiting to be indexed or being indexed. Ids only: the document is in its tenant.

    In public because workers take turns between tenants, which no query over one schema can do.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    document_id = models.UUIDField()
    # What people wait for is 0; indexing anew for another generation is 1.
    priority = models.PositiveSmallIntegerField(default=0, db_default=0)

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


class SyncJob(Leased):
    """A sync run that is not over: one a source, so two never overlap. Ids only, as DocumentJob."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    source_id = models.UUIDField()
    run_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "source_id"], name="one_run_a_source")
        ]
        indexes = [models.Index(fields=["available_at", "id"], name="sync_job_available")]

    def __str__(self) -> str:
        return f"run {self.run_id}"

    if TYPE_CHECKING:
        tenant_id: int


class EvaluationJob(Leased):
    """A run over a tenant's golden questions that is not over; one of a tenant goes on at a time.

    Ids only, as DocumentJob.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    evaluation_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "evaluation_id"], name="one_job_an_evaluation"
            )
        ]
        indexes = [models.Index(fields=["available_at", "id"], name="evaluation_job_available")]

    def __str__(self) -> str:
        return f"evaluation {self.evaluation_id}"

    if TYPE_CHECKING:
        tenant_id: int
