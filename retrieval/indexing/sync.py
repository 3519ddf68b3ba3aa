"""One run over one source: plan, apply, and see its documents through to the end.

Each stage can be done again from its beginning, so a run whose worker was killed is simply taken up
by another. No transaction is open while a source is listed or read.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from ragadmin.errors import RagadminError, SchemaMissing, TenantGone
from retrieval.indexing import outcome, run_paths, sync_jobs
from retrieval.indexing.apply import Application
from retrieval.indexing.estimate import estimate
from retrieval.indexing.open_source import open_source
from retrieval.indexing.plan import KnownDocument, Plan, make_plan, plan_retry, why_confirm
from retrieval.models import Document, SyncError, SyncRun
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from retrieval.connectors.base import Connector
    from retrieval.indexing.sync_jobs import Claim
    from retrieval.models import Source
    from tenants.models import Tenant

log = structlog.get_logger(__name__)

# How often a listing says how far it is, and looks whether it is still wanted.
PULSE_SECONDS = 2
# After the database failed.
PAUSE_SECONDS = 15

_DOCUMENTS = """
SELECT id, external_id, path, fingerprint, content_hash, size_bytes,
    status = 'ready' AND indexed_hash = content_hash,
    coalesce(sync_run_id = %(run)s AND sync_action = 'add' AND status = 'queued', false)
FROM retrieval_document
WHERE tenant_id = %(tenant)s AND source_id = %(source)s AND removed_at IS NULL
"""
_STATES = """
SELECT external_id, source_state FROM retrieval_document
WHERE tenant_id = %(tenant)s AND source_id = %(source)s AND removed_at IS NULL
    AND source_state <> '{}'
"""


class Cancelled(RagadminError):
    code = "cancelled"

    def __init__(self) -> None:
        super().__init__("The run was cancelled.")


def run_next_sync(
    worker: str, tenant: Tenant | None = None, run_id: UUID | None = None
) -> Claim | None:
    """Takes up one run (this one, if named) as far as it goes now. None: there is nothing to do."""
    claim = sync_jobs.claim_next(worker, tenant, run_id)
    if claim is None:
        return None
    with bound_contextvars(tenant=claim.tenant.slug, sync_run=str(claim.run_id)):
        try:
            _advance(claim)
        except sync_jobs.LeaseLost:
            log.warning("lease on a sync run lost")
        except (TenantGone, SchemaMissing) as error:
            log.warning("sync put off", code=error.code)
            sync_jobs.look_again(claim, PAUSE_SECONDS)
        except (OperationalError, InterfaceError) as error:
            log.warning("sync put off: the database failed", error=str(error))
            close_old_connections()
    return claim


def finish_if_done(tenant: Tenant, run_id: UUID) -> bool:
    """Called when documents of the run were indexed: wakes it after the last one."""
    with tenant_context(tenant):
        if has_unfinished(run_id):
            return False
    sync_jobs.wake(tenant, run_id)
    return True


def has_unfinished(run_id: UUID) -> bool:
    unfinished = (Document.Status.QUEUED, Document.Status.INDEXING)
    return Document.objects.filter(sync_run_id=run_id, status__in=unfinished).exists()


def _advance(claim: Claim) -> None:
    run = _begin(claim)
    if run is None:
        sync_jobs.finish(claim.tenant, claim.run_id)
        return
    step = _Step(claim, run)
    try:
        if run.stage == SyncRun.Stage.INDEXING:
            step.finish_or_wait()
        elif claim.attempts > sync_jobs.MAX_ATTEMPTS:
            raise RagadminError(
                f"The run stopped the worker {sync_jobs.MAX_ATTEMPTS} times.", code="interrupted"
            )
        else:
            step.plan_and_apply()
    except (sync_jobs.LeaseLost, TenantGone, SchemaMissing, OperationalError, InterfaceError):
        raise
    except Cancelled:
        outcome.cancel(claim, run)
    except RagadminError as error:
        log.warning("sync failed", code=error.code)
        outcome.fail(claim, run, error)
    except Exception as error:
        log.exception("sync broke off")
        message = f"The run broke off ({type(error).__name__}): the log of the worker says where."
        outcome.fail(claim, run, RagadminError(message))


def _begin(claim: Claim) -> SyncRun | None:
    with tenant_context(claim.tenant):
        runs = SyncRun.objects.filter(
            pk=claim.run_id, status__in=(SyncRun.Status.QUEUED, SyncRun.Status.RUNNING)
        )
        run = runs.select_related("source").first()
        if run is None or run.stage == SyncRun.Stage.INDEXING:
            return run
        run.status, run.stage = SyncRun.Status.RUNNING, SyncRun.Stage.PLANNING
        run.started_at = run.started_at or timezone.now()
        run.save(update_fields=["status", "stage", "started_at"])
        return run


class _Step:
    def __init__(self, claim: Claim, run: SyncRun) -> None:
        self._claim, self._run = claim, run
        self._tenant: Tenant = claim.tenant
        self._source: Source = run.source
        self._pulse = time.monotonic()
        self._plan: Plan | None = None

    def plan_and_apply(self) -> None:
        start = time.perf_counter()
        self._check_cancelled()
        plan = self._make_plan()
        self._note_time("planning", start)
        if not self._store(plan):
            return
        start = time.perf_counter()
        self._application().apply(plan, delete=not self._deletes_last(plan))
        self._note_time("applying", start)
        self._go_to_indexing(plan)
        self.finish_or_wait()

    def finish_or_wait(self) -> None:
        with tenant_context(self._tenant):
            waits = has_unfinished(self._run.pk)
        if waits:
            sync_jobs.look_again(self._claim)
            return
        late = self._run.plan.get("delete_last") or []
        if late and not self._is_cancelled():
            self._application().delete(late)
        outcome.finish(self._claim, self._run)

    def _make_plan(self) -> Plan:
        if self._run.retry_of:
            return self._plan_retry()
        documents, states = self._read_documents()
        connector = open_source(self._tenant, self._source)
        try:
            plan = self._plan = make_plan(
                connector,
                documents,
                states,
                full_check=self._reads_everything(connector),
                keep_alive=self._keep_alive,
                watch=self._watch,
            )
        finally:
            connector.close()
        return plan

    def _reads_everything(self, connector: Connector) -> bool:
        """By the clock only where reading costs little."""
        is_asked_for = self._run.trigger != SyncRun.Trigger.SCHEDULE
        return self._run.full_check and (connector.reads_cheaply or is_asked_for)

    def _plan_retry(self) -> Plan:
        documents, _ = self._read_documents()
        with tenant_context(self._tenant):
            errors = SyncError.objects.filter(sync_run_id=self._run.retry_of)
            names = list(errors.values_list("external_id", "path"))
        return plan_retry(documents, names)

    def _read_documents(self) -> tuple[list[KnownDocument], Mapping[str, Any]]:
        names = {
            "tenant": self._tenant.pk,
            "source": self._source.pk,
            "run": self._run.pk,
        }
        with tenant_context(self._tenant), connection.cursor() as cursor:
            cursor.execute(_DOCUMENTS, names)
            documents = [KnownDocument(*row) for row in cursor.fetchall()]
            cursor.execute(_STATES, names)
            states = {name: json.loads(state) for name, state in cursor.fetchall()}
        return documents, states

    def _store(self, plan: Plan) -> bool:
        """Before anything is done. False when nothing is to be done now."""
        run = self._run
        confirmed = frozenset(each[2] for each in run_paths.unpack(run.confirmed or b"")["deleted"])
        reason = why_confirm(plan, self._source.max_deleted_share, confirmed)
        with tenant_context(self._tenant):
            sync_jobs.hold(self._claim)
            figures = plan.as_json() | estimate(self._tenant, plan) | {"reason": reason}
            if self._deletes_last(plan):
                figures["delete_last"] = [str(document.id) for document in plan.deleted]
            run.plan, run.paths = figures, run_paths.pack(plan.paths())
            run.stage = SyncRun.Stage.APPLYING
            run.save(update_fields=["plan", "paths", "stage", "timings"])
            if run.dry_run:
                outcome.end_dry_run(run, plan)
            elif reason:
                outcome.ask(run)
            else:
                outcome.record_failures(run, plan)
                return True
        return False

    def _go_to_indexing(self, plan: Plan) -> None:
        with tenant_context(self._tenant):
            sync_jobs.hold(self._claim)
            self._run.stage = SyncRun.Stage.INDEXING
            self._run.save(update_fields=["stage", "timings"])

    def _application(self) -> Application:
        return Application(self._tenant, self._source, self._run, self._claim.renew_in_time)

    def _deletes_last(self, plan: Plan) -> bool:
        """What was renamed in a source that is not read while planning shows only when it is read:
        then the passages of the old document are still there to be taken over."""
        return bool(plan.deleted and plan.added) and not plan.renames_are_known

    def _note_time(self, stage: str, start: float) -> None:
        self._run.timings[stage] = round((time.perf_counter() - start) * 1000, 1)

    def _watch(self, plan: Plan) -> None:
        self._plan = plan

    def _keep_alive(self) -> None:
        self._claim.renew_in_time()
        if time.monotonic() - self._pulse > PULSE_SECONDS:
            self._pulse = time.monotonic()
            self._check_cancelled()
            self._show_progress()

    def _show_progress(self) -> None:
        plan = self._plan
        if plan is not None:
            figures = {"listed": plan.listed, "read": plan.read}
            with tenant_context(self._tenant):
                SyncRun.objects.filter(pk=self._run.pk).update(plan=figures)

    def _check_cancelled(self) -> None:
        if self._is_cancelled():
            raise Cancelled

    def _is_cancelled(self) -> bool:
        with tenant_context(self._tenant):
            return SyncRun.objects.filter(pk=self._run.pk, cancel_requested=True).exists()
