"""Which sources it is time for. Beat asks with one entry, whatever the number of tenants."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.utils import timezone

from ragadmin.errors import SchemaMissing, TenantGone
from retrieval.indexing import sync_jobs
from retrieval.models import Source, SyncRun
from tenants.context import tenant_context
from tenants.models import SyncSchedule, Tenant

if TYPE_CHECKING:
    from uuid import UUID

    from django_celery_beat.models import CrontabSchedule

    from tenants.context import TenantLike

log = structlog.get_logger(__name__)

# In one go; those left are due at the next.
MOST_AT_ONCE = 500
# Sources of one rhythm do not all begin at the same moment.
JITTER_SHARE = 0.1
MOST_JITTER_SECONDS = 60
# The same size and time with other bytes is found at the latest by this check.
FULL_CHECK_EVERY = timedelta(days=1)


def start_due() -> int:
    """Queues a run for each source that is due. Returns how many."""
    now = timezone.now()
    due = SyncSchedule.objects.filter(
        is_paused=False, next_run_at__lte=now, tenant__status=Tenant.Status.ACTIVE
    )
    chosen = due.select_related("tenant", "interval", "crontab").order_by("next_run_at")
    return sum(_start(schedule, now) for schedule in chosen[:MOST_AT_ONCE])


def _start(schedule: SyncSchedule, now: datetime) -> bool:
    """The next time is set first: a turn that is missed, or taken by another process, is gone."""
    mine = SyncSchedule.objects.filter(pk=schedule.pk, next_run_at=schedule.next_run_at)
    if not mine.update(next_run_at=next_run_at(schedule, now)):
        return False
    try:
        with tenant_context(schedule.tenant):
            source = Source.objects.select_for_update().filter(pk=schedule.source_id).first()
            return source is not None and begin_scheduled(schedule.tenant, source)
    except (TenantGone, SchemaMissing) as error:
        log.warning("source not synced", tenant=schedule.tenant.slug, code=error.code)
        return False


def begin_scheduled(tenant: Tenant, source: Source) -> bool:
    """False: one is under way. With the tenant in force and the source locked."""
    now = timezone.now()
    full_check = (
        source.last_full_check_at is None or source.last_full_check_at < now - FULL_CHECK_EVERY
    )
    waiting = find_waiting(source.pk)
    if waiting is not None:
        return plan_again(tenant, waiting, full_check=full_check)
    run = SyncRun(
        source=source,
        trigger=SyncRun.Trigger.SCHEDULE,
        started_by="schedule",
        full_check=full_check,
    )
    return begin(tenant, run)


def find_waiting(source_id: UUID) -> SyncRun | None:
    """The run of the source that waits for a person, if there is one."""
    status = SyncRun.Status.NEEDS_CONFIRMATION
    return SyncRun.objects.filter(source_id=source_id, status=status).first()


def begin(tenant: TenantLike, run: SyncRun) -> bool:
    """Stores the new run and its place in the queue. False: the source has a run under way."""
    if not sync_jobs.enqueue(tenant, run.source_id, run.pk):
        return False
    run.save(force_insert=True)
    return True


def plan_again(tenant: TenantLike, run: SyncRun, *, full_check: bool) -> bool:
    """A run that waited: it goes on by itself when nothing is in doubt any more."""
    if not sync_jobs.enqueue(tenant, run.source_id, run.pk):
        return False
    run.status, run.stage, run.full_check = SyncRun.Status.QUEUED, "", full_check
    run.save(update_fields=["status", "stage", "confirmed", "confirmed_by", "full_check"])
    return True


def next_run_at(schedule: SyncSchedule, now: datetime) -> datetime:
    """The next time after `now`, however many were missed, moved by the source's own jitter."""
    if schedule.interval:
        period = schedule.interval.schedule.run_every
        due = now + period
    else:
        assert schedule.crontab is not None
        due = next_match(schedule.crontab, now)
        period = next_match(schedule.crontab, due) - due
    spread = min(MOST_JITTER_SECONDS, period.total_seconds() * JITTER_SHARE)
    return due + timedelta(seconds=spread * _place(schedule.source_id))


def next_match(crontab: CrontabSchedule, after: datetime) -> datetime:
    return crontab.due_start_time(after, crontab.timezone).astimezone(UTC)


def _place(source_id: UUID) -> float:
    """From 0 to 1, for a source always the same."""
    return zlib.crc32(source_id.bytes) / 2**32
