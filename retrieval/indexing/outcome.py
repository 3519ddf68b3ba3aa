"""How a run ends, and what it did: read from the documents, so that it is exact after any crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.utils import timezone

from retrieval.events import SyncEnded, sync_listeners
from retrieval.indexing import retention, run_paths, sync_jobs
from retrieval.indexing.paid import price_vectors
from retrieval.indexing.run_paths import entry
from retrieval.models import Document, Source, SyncError, SyncRun
from tenants.context import current_tenant, tenant_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragadmin.errors import RagadminError
    from retrieval.indexing.plan import Plan
    from retrieval.indexing.run_paths import Entry
    from retrieval.indexing.sync_jobs import Claim
    from tenants.models import Tenant

log = structlog.get_logger(__name__)

Paths = dict[str, list["Entry"]]
COUNTS = ("added", "updated", "deleted", "unchanged", "failed")
RESULT = [
    "status", "stage", "finished_at", "paths", "cost_usd", "timings", "plan", "error_code",
    "error_message", *COUNTS,
]  # fmt: skip
_DONE = {
    Document.SyncAction.ADD: "added",
    Document.SyncAction.UPDATE: "updated",
    Document.SyncAction.RENAME: "updated",
    Document.SyncAction.UNCHANGED: "unchanged",
}


def record_failures(run: SyncRun, plan: Plan) -> None:
    """Items that the listing itself could not take. With the tenant in force."""
    errors = [
        SyncError(
            sync_run=run, external_id=item.external_id or item.path, path=item.path[:1000],
            code=item.code, message=item.reason,
        )
        for item in plan.failed
    ]  # fmt: skip
    SyncError.objects.bulk_create(errors, ignore_conflicts=True, batch_size=1000)


def end_dry_run(run: SyncRun, plan: Plan) -> None:
    """With the tenant in force. The counts are those that a real run would have."""
    for name, count in plan.counts.items():
        setattr(run, name, count)
    run.status = SyncRun.Status.SUCCEEDED
    record_failures(run, plan)
    _end(run)


def ask(run: SyncRun) -> None:
    """With the tenant in force. The run waits for a person, and holds no place in the queue."""
    run.status, run.stage = SyncRun.Status.NEEDS_CONFIRMATION, ""
    run.save(update_fields=["status", "stage"])
    sync_jobs.finish(current_tenant(), run.pk)
    log.info("sync waits for confirmation", source=str(run.source_id))


def fail(claim: Claim, run: SyncRun, error: RagadminError) -> None:
    """Nothing was deleted, unless the run was already applying its plan; then it says what was done."""
    with tenant_context(claim.tenant):
        sync_jobs.hold(claim)
        _count(run, claim.tenant)
        run.status = SyncRun.Status.FAILED
        run.error_code, run.error_message = error.code[:40], error.message
        _end(run)


def cancel(claim: Claim, run: SyncRun) -> None:
    with tenant_context(claim.tenant):
        sync_jobs.hold(claim)
        _count(run, claim.tenant)
        run.status = SyncRun.Status.CANCELLED
        _end(run)


def finish(claim: Claim, run: SyncRun) -> None:
    with tenant_context(claim.tenant):
        sync_jobs.hold(claim)
        run.refresh_from_db(fields=["cancel_requested", "embedded_tokens", "timings"])
        _count(run, claim.tenant)
        run.status = _status(run)
        _note_indexing_time(run)
        _end(run)
        if run.full_check:
            Source.objects.filter(pk=run.source_id).update(last_full_check_at=run.started_at)
        retention.plan_purge(run.source_id, run.source.keep_days)
    log.info("sync finished", status=run.status, **{name: getattr(run, name) for name in COUNTS})


def _status(run: SyncRun) -> str:
    if run.cancel_requested:
        return SyncRun.Status.CANCELLED
    return SyncRun.Status.PARTIAL if run.failed else SyncRun.Status.SUCCEEDED


def _end(run: SyncRun) -> None:
    run.stage = ""
    run.finished_at = timezone.now()
    run.plan.pop("delete_last", None)
    run.save(update_fields=RESULT)
    sync_jobs.finish(current_tenant(), run.pk)
    if not run.dry_run:
        _shorten_last(run)
    tell_end(run)


def tell_end(run: SyncRun) -> None:
    """With the tenant in force, in the transaction that gave the run its last status."""
    if run.dry_run or not run.finished_at:
        return
    ended = SyncEnded(
        tenant_id=current_tenant().id,
        run_id=run.pk,
        source_id=run.source_id,
        status=run.status,
        failed=run.failed,
        finished_at=run.finished_at,
    )
    for listener in sync_listeners:
        try:
            with transaction.atomic():
                listener(ended)
        except Exception:
            log.exception("sync_listener_failed", run=str(run.pk))


def _note_indexing_time(run: SyncRun) -> None:
    if run.started_at:
        whole = (timezone.now() - run.started_at).total_seconds() * 1000
        before = sum(run.timings.get(stage, 0) for stage in ("planning", "applying"))
        run.timings["indexing"] = round(max(0.0, whole - before), 1)


def _count(run: SyncRun, tenant: Tenant) -> None:
    if not run.plan.get("listed") and run.stage == SyncRun.Stage.PLANNING:
        run.paths = b""
        return
    paths = _find_paths(run)
    for name in COUNTS:
        setattr(run, name, len(paths[name]))
    run.paths = run_paths.pack(paths)
    run.cost_usd = price_vectors(tenant, tenant.embedding_model, run.embedded_tokens)


def _find_paths(run: SyncRun) -> Paths:
    planned = run_paths.unpack(run.paths)
    notes = {each[2]: each[1] for each in planned["updated"]}
    paths: Paths = {kind: [] for kind in run_paths.KINDS}
    paths["skipped"] = planned["skipped"]
    errors = {each.external_id: each for each in SyncError.objects.filter(sync_run=run)}
    touched: set[str] = set()
    rows = Document.objects.filter(sync_run=run).order_by("path")
    for document_id, external_id, path, action, status in rows.values_list(
        "id", "external_id", "path", "sync_action", "status"
    ):
        touched.add(str(document_id))
        if external_id in errors:
            continue
        if status == Document.Status.READY and action in _DONE:
            note = notes.get(str(document_id), "")
            paths[_DONE[action]].append(entry(path, note, document_id))
    ids = _ids_of(run, errors)
    paths["failed"] = [
        entry(each.path, each.message, ids.get(each.external_id, "")) for each in errors.values()
    ]
    paths["deleted"] = _find_deleted(run)
    paths["unchanged"] += [each for each in planned["unchanged"] if each[2] not in touched]
    return paths


def _ids_of(run: SyncRun, errors: Mapping[str, Any]) -> dict[str, str]:
    found = Document.objects.filter(source_id=run.source_id, external_id__in=list(errors))
    return {name: str(key) for name, key in found.values_list("external_id", "id")}


def _find_deleted(run: SyncRun) -> list[Entry]:
    gone = Document.kept.filter(removed_by=run.pk, sync_action=Document.SyncAction.DELETE)
    return [entry(path) for path in gone.order_by("path").values_list("path", flat=True)]


def _shorten_last(run: SyncRun) -> None:
    """Lists of what did not change are kept of the last run, and of those that changed something."""
    quiet = SyncRun.objects.filter(
        source_id=run.source_id, status__in=SyncRun.FINISHED, created_at__lt=run.created_at,
        added=0, updated=0, deleted=0, failed=0,
    ).exclude(paths=b"")  # fmt: skip
    quiet.update(paths=b"")
