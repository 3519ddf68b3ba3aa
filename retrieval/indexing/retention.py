"""What a sync deleted or replaced is kept for a while, and what runs did for a while longer."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db.models import Min
from django.db.models.functions import Least
from django.utils import timezone

from ragadmin.errors import SchemaMissing, TenantGone
from retrieval.indexing import kept
from retrieval.models import Document, Source, SyncRun
from tenants.context import current_tenant, tenant_context
from tenants.models import SyncSchedule, Tenant

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 500
# Runs that changed nothing say nothing after this; those that did are the source's history.
QUIET_RUN_DAYS = 7
RUN_DAYS = 365


def plan_purge(source_id: UUID, keep_days: int) -> None:
    """When a run has ended: its source is looked through when the first of it may go.

    With the tenant in force.
    """
    at = timezone.now() + timedelta(days=max(keep_days, 1))
    schedule = SyncSchedule.objects.filter(tenant_id=current_tenant().id, source_id=source_id)
    schedule.update(purge_at=Least("purge_at", at))


def purge_due() -> int:
    """Returns how many kept versions were deleted for good."""
    now = timezone.now()
    due = SyncSchedule.objects.filter(purge_at__lte=now, tenant__status=Tenant.Status.ACTIVE)
    chosen = due.select_related("tenant").order_by("purge_at")[:MOST_AT_ONCE]
    return sum(_purge(schedule, now) for schedule in chosen)


def _purge(schedule: SyncSchedule, now: datetime) -> int:
    try:
        with tenant_context(schedule.tenant):
            source = Source.objects.filter(pk=schedule.source_id).first()
            count = _purge_source(schedule.tenant, source, now) if source else 0
            schedule.purge_at = _next_purge(source) if source else None
            schedule.save(update_fields=["purge_at"])
            return count
    except (TenantGone, SchemaMissing) as error:
        log.warning("kept versions not looked through", code=error.code)
        return 0


def _purge_source(tenant: Tenant, source: Source, now: datetime) -> int:
    runs = SyncRun.objects.filter(source=source, status__in=SyncRun.FINISHED)
    quiet = {"added": 0, "updated": 0, "deleted": 0, "failed": 0}
    newest = runs.order_by("-created_at").values_list("pk", flat=True)[:1]
    old = runs.exclude(pk__in=list(newest))
    old.filter(finished_at__lt=now - timedelta(days=QUIET_RUN_DAYS), **quiet).delete()
    old.filter(finished_at__lt=now - timedelta(days=RUN_DAYS)).delete()
    return kept.purge_kept(tenant, source.pk, now - timedelta(days=source.keep_days))


def _next_purge(source: Source) -> datetime:
    """In the past when not all that may go is gone yet."""
    oldest = Document.kept.filter(source=source).aggregate(at=Min("removed_at"))["at"]
    days = timedelta(days=source.keep_days if oldest else QUIET_RUN_DAYS)
    return (oldest or timezone.now()) + days
