"""What Celery runs for tenants."""

from __future__ import annotations

from uuid import UUID

import structlog
from kombu.exceptions import KombuError

from ragadmin.celery import app
from ragadmin.errors import RagadminError
from tenants.archive import jobs
from tenants.budgets import give_back_lapsed
from tenants.leftovers import sweep_files
from tenants.models import Tenant, TenantMove
from tenants.moving.request import (
    clean_up_tenant,
    run_waiting_move,
    tenants_to_clean,
    waiting_moves,
)

log = structlog.get_logger(__name__)


def hint_move(move_id: int) -> None:
    """Asks for a worker. With Redis down the move waits, and beat asks again when it is back."""
    try:
        run_move.apply_async([move_id], retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("no hint given: the queue cannot be reached", error=str(error))


@app.task
def run_move(move_id: int) -> None:
    try:
        run_waiting_move(move_id)
    except RagadminError as error:
        # It stands in the move's row, where the page shows it.
        log.warning("move failed", move=move_id, error=error.message)
    else:
        # By name, because it is a matter of retrieval: a vector index does not move along.
        for move in TenantMove.objects.filter(pk=move_id, status=TenantMove.Status.SUCCEEDED):
            app.send_task("retrieval.tasks.tune_vector_index", [move.tenant_id], expires=3600)  # pyright: ignore[reportAttributeAccessIssue]


@app.task
def tend_moves() -> None:
    """Every minute: hints again at moves that wait, removes what dead and finished ones left."""
    for move_id in waiting_moves():
        hint_move(move_id)
    for tenant_id in tenants_to_clean():
        try:
            cleaned = clean_up_tenant(tenant_id)
        except RagadminError as error:
            log.info("not cleaned up yet", tenant_id=tenant_id, reason=error.message)
        else:
            log.info("cleaned up after moves", tenant_id=tenant_id, moves=cleaned)


@app.task
def export_to_storage(tenant_id: int, actor: str) -> None:
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is not None:
        jobs.run_export(tenant, actor)


@app.task
def import_from_storage(number: str, upload: str, slug: str, isolation: str, actor: str) -> None:
    jobs.run_import(UUID(number), upload, slug, isolation, actor)


@app.task
def sweep_leftovers() -> None:
    """Every hour: files of imports that were killed and of deletions that broke off."""
    swept = sweep_files()
    jobs.forget_old_uploads()
    if swept:
        log.info("leftovers swept away", tenants=swept)


@app.task
def give_back_reservations() -> None:
    """Every minute: what processes had reserved of budgets and ended before they settled."""
    count = give_back_lapsed()
    if count:
        log.info("reservations given back", count=count)
