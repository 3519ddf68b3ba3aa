"""Runs of sources: started, confirmed, cancelled, tried again, undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from ragadmin.errors import Conflict, InvalidRequest, NotFound
from retrieval import tasks
from retrieval.connectors.registry import connector_class
from retrieval.indexing import due, kept, queue, sync_jobs
from retrieval.indexing.outcome import tell_end
from retrieval.models import Document, SyncRun
from retrieval.services.sources import lock_source, may_see
from tenants.audit import record_event
from tenants.context import tenant_context
from tenants.models import SyncSchedule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any
    from uuid import UUID

    from tenants.context import TenantLike
    from tenants.models import User

    Actor = User | str | None
    Levels = Sequence[str] | None


def start_sync(
    *,
    tenant: TenantLike,
    source_id: UUID,
    trigger: str,
    actor: Actor,
    dry_run: bool = False,
    full_check: bool = False,
    allowed_levels: Levels = None,
) -> SyncRun:
    """Queued. A run that waits for confirmation is planned anew, and goes on if nothing is in doubt.

    Raises NotFound, InvalidRequest for uploads, Conflict (sync_running) when one is under way.
    """
    with tenant_context(tenant):
        source = lock_source(source_id, allowed_levels)
        if connector_class(source.kind).is_upload:
            raise InvalidRequest(
                "Uploaded files are indexed as they arrive: there is nothing to sync.",
                code="not_syncable",
            )
        waiting = due.find_waiting(source.pk)
        if waiting is not None and not dry_run:
            return _plan_again(tenant, waiting, full_check=full_check)
        run = SyncRun(
            source=source,
            trigger=trigger,
            started_by=str(actor or "command line"),
            dry_run=dry_run,
            full_check=full_check,
        )
        return _enqueue(tenant, run)


def confirm_run(
    *, tenant: TenantLike, run_id: UUID, actor: Actor, allowed_levels: Levels = None
) -> SyncRun:
    """Agrees to the deletions that the plan shows, and to no others."""
    with tenant_context(tenant):
        run = _lock(run_id, allowed_levels)
        if run.status != SyncRun.Status.NEEDS_CONFIRMATION:
            raise Conflict(
                f"Only a run that waits for confirmation can be confirmed; this one is {run.status}.",
                code="not_waiting",
            )
        run.confirmed, run.confirmed_by = run.paths, str(actor or "command line")
        _record("sync_run.confirmed", tenant, actor, run, deleted=run.plan.get("deleted", 0))
        return _plan_again(tenant, run, full_check=run.full_check)


def cancel_run(
    *, tenant: TenantLike, run_id: UUID, actor: Actor, allowed_levels: Levels = None
) -> SyncRun:
    """What is done stays done, what is being done is finished, the rest is left to the next run."""
    with tenant_context(tenant):
        run = _lock(run_id, allowed_levels)
        if run.status not in SyncRun.OPEN:
            raise Conflict(f"The run is over already: it is {run.status}.", code="already_over")
        run.cancel_requested = True
        run.save(update_fields=["cancel_requested"])
        if run.stage == SyncRun.Stage.INDEXING:
            _give_up_waiting_documents(tenant, run)
        elif run.status != SyncRun.Status.RUNNING:
            run.status, run.finished_at = SyncRun.Status.CANCELLED, timezone.now()
            run.save(update_fields=["status", "finished_at"])
            sync_jobs.finish(tenant, run.pk)
            tell_end(run)
        sync_jobs.wake(tenant, run.pk)
        transaction.on_commit(tasks.hint_sync)
        _record("sync_run.cancelled", tenant, actor, run)
        return run


def retry_run(
    *,
    tenant: TenantLike,
    run_id: UUID,
    actor: Actor,
    trigger: str = SyncRun.Trigger.RETRY,
    allowed_levels: Levels = None,
) -> SyncRun:
    """A new run: of the failed documents only, or of the whole source when it could not be listed."""
    with tenant_context(tenant):
        old = _lock(run_id, allowed_levels)
        if old.status in SyncRun.OPEN or not (old.failed or old.status == SyncRun.Status.FAILED):
            raise Conflict("Nothing of this run has failed.", code="nothing_failed")
        lock_source(old.source_id, allowed_levels)
        only_failed = old.status == SyncRun.Status.PARTIAL
        run = SyncRun(
            source_id=old.source_id,
            trigger=trigger,
            started_by=str(actor or "command line"),
            retry_of=old.pk if only_failed else None,
        )
        return _enqueue(tenant, run)


def undo_run(
    *, tenant: TenantLike, run_id: UUID, actor: Actor, allowed_levels: Levels = None
) -> SyncRun:
    """Brings back what the run deleted or replaced, and pauses the schedule, or the next run would
    do the same again. Raises Conflict."""
    with tenant_context(tenant):
        run = _lock(run_id, allowed_levels)
        lock_source(run.source_id, allowed_levels)
        why_not = why_not_undo(run)
        if why_not:
            raise Conflict(why_not, code="cannot_undo")
        count = kept.bring_back(tenant, run.pk)
        run.undone_at, run.undone_by = timezone.now(), str(actor or "command line")
        run.save(update_fields=["undone_at", "undone_by"])
        SyncSchedule.objects.filter(tenant_id=tenant.id, source_id=run.source_id).update(
            is_paused=True
        )
        transaction.on_commit(tasks.hint)
        _record("sync_run.undone", tenant, actor, run, documents=count)
        return run


def why_not_undo(run: SyncRun) -> str:
    """Empty when it can be undone. With the tenant in force."""
    if run.dry_run:
        return "A dry run changes nothing, so there is nothing to undo."
    if run.status in SyncRun.OPEN:
        return "The run is not over yet: cancel it first."
    if run.undone_at:
        return "The run is undone already."
    later = SyncRun.objects.filter(source_id=run.source_id, created_at__gt=run.created_at)
    if later.filter(status__in=SyncRun.OPEN).exclude(dry_run=True).exists():
        return "Another run of this source is under way: cancel it first."
    changed = later.exclude(dry_run=True).exclude(added=0, updated=0, deleted=0)
    if changed.exists():
        return "A later run has changed the source's documents: only the last can be undone."
    if not Document.kept.filter(removed_by=run.pk).exists():
        return "Nothing that this run deleted or replaced is kept any more."
    return ""


def _plan_again(tenant: TenantLike, run: SyncRun, *, full_check: bool) -> SyncRun:
    if not due.plan_again(tenant, run, full_check=full_check):
        raise _is_running()
    transaction.on_commit(tasks.hint_sync)
    return run


def _enqueue(tenant: TenantLike, run: SyncRun) -> SyncRun:
    if not due.begin(tenant, run):
        raise _is_running()
    transaction.on_commit(tasks.hint_sync)
    return run


def _is_running() -> Conflict:
    return Conflict(
        "A run of this source is under way: wait until it is over, or cancel it.",
        code="sync_running",
    )


def _give_up_waiting_documents(tenant: TenantLike, run: SyncRun) -> None:
    """Those that no worker has begun. New ones go, others stay as they were before the run."""
    waiting = Document.objects.filter(sync_run=run, status=Document.Status.QUEUED)
    ids = list(waiting.select_for_update().values_list("pk", flat=True))
    queue.remove_many(tenant, ids)
    given_up = Document.objects.filter(pk__in=ids)
    given_up.filter(sync_action=Document.SyncAction.ADD, indexed_hash="").delete()
    given_up.exclude(indexed_hash="").update(
        status=Document.Status.READY, stage="", sync_run=None, sync_action=""
    )
    given_up.filter(indexed_hash="").update(
        status=Document.Status.FAILED,
        stage="",
        sync_run=None,
        sync_action="",
        error_code="cancelled",
        error_message="The sync that would have read it was cancelled.",
    )


def _lock(run_id: UUID, levels: Levels) -> SyncRun:
    run = SyncRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None or not may_see(run.source, levels):
        raise NotFound("There is no such sync run, or you may not see it.")
    return run


def _record(action: str, tenant: TenantLike, actor: Actor, run: SyncRun, **detail: Any) -> None:
    record_event(action, actor=actor, tenant=tenant, target=str(run.pk), **detail)
