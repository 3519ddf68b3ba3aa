"""Asking for a move: at once, or by a worker; and cancelling one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from ragadmin.errors import Conflict, NotFound
from tenants.audit import record_event
from tenants.isolation.levels import isolation_of
from tenants.models import Tenant, TenantMove, User
from tenants.moving.cleanup import clean_up, moves_with_leftovers
from tenants.moving.move import Mover
from tenants.moving.progress import Stage, mark_failed
from tenants.moving.session import MOVE_LOCK, already_moving, is_moving, open_session
from tenants.schema import owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from tenants.moving.move import Result

PROCESS_DIED = "The process that moved the tenant stopped before it was done."
HAS_TABLES = "SELECT to_regclass(%s) IS NOT NULL"


def move_tenant(
    *,
    tenant: Tenant,
    to: str,
    actor: User | str | None = None,
    report: Callable[[Stage], None] = lambda _: None,
) -> Result:
    """Moves `tenant` and returns when it is done. Raises InvalidRequest, Conflict, MoveFailed."""
    with open_session(tenant.pk) as session:
        return Mover(session, begin_move(tenant, to, actor, Stage.PREPARING), report).run()


def run_waiting_move(move_id: int) -> None:
    """For a worker: does nothing when the move is done already, or being done."""
    move = _running().filter(pk=move_id, stage=Stage.WAITING).first()
    if move is None:
        return
    with open_session(move.tenant.pk) as session:
        if _running().filter(pk=move_id, stage=Stage.WAITING).exists():
            Mover(session, move, lambda _: None).run()


def begin_move(
    tenant: Tenant, to: str, actor: User | str | None, stage: Stage = Stage.WAITING
) -> TenantMove:
    """Notes the move, for this process or for a worker. Raises InvalidRequest, Conflict, NotFound."""
    level = isolation_of(to)
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [MOVE_LOCK, tenant.pk])
        if not cursor.fetchone()[0]:
            raise already_moving()
        here = Tenant.objects.using("owner").select_for_update().filter(pk=tenant.pk).first()
        if here is None:
            raise NotFound(f"There is no tenant {tenant.slug!r} any more.")
        _check_can_move(here, to)
        move = TenantMove.objects.using("owner").create(
            tenant=here,
            from_isolation=here.isolation,
            to_isolation=to,
            from_schema=here.schema_name,
            to_schema=level.schema_name(here.slug),
            stage=stage,
            moved_by=str(actor or "command line"),
        )
        record_event(
            "tenant.move_begun", actor=actor, tenant=here, target=here.slug, using="owner", to=to
        )
    return move


def _check_can_move(tenant: Tenant, to: str) -> None:
    if tenant.isolation == to:
        raise Conflict(
            f"The tenant {tenant.slug} is in isolation {to} already: there is nothing to move.",
            code="already_there",
        )
    with owner().cursor() as cursor:
        cursor.execute(HAS_TABLES, [f'"{tenant.schema_name}".retrieval_document'])
        if not cursor.fetchone()[0]:
            raise Conflict(
                f"The schema {tenant.schema_name} of the tenant {tenant.slug} is missing, so there "
                "is nothing to move: restore it from a backup first.",
                code="schema_missing",
            )
    running = _running().filter(tenant=tenant)
    if running.filter(stage=Stage.WAITING).exists():
        raise already_moving()
    mark_failed(running, PROCESS_DIED)


def cancel_move(tenant: Tenant, actor: User | str | None) -> bool:
    """True if there was one to cancel. A mover at work stops after its current step."""
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        move = _running().select_for_update(of=("self",)).filter(tenant=tenant).first()
        if move is None:
            return False
        this = _running().filter(pk=move.pk)
        if move.stage != Stage.WAITING and is_moving(cursor, tenant.pk):
            this.update(stage=Stage.CANCELLING)
        else:
            mark_failed(this, f"Cancelled by {actor or 'command line'}.")
        record_event(
            "tenant.move_cancelled", actor=actor, tenant=tenant, target=tenant.slug, using="owner"
        )
    return True


def clean_up_tenant(tenant_id: int) -> int:
    """Removes what moves of this tenant left behind, dead ones included. Returns of how many moves.

    Raises Conflict while a mover is at work.
    """
    with open_session(tenant_id) as session:
        dead = _running().filter(tenant_id=tenant_id).exclude(stage=Stage.WAITING)
        mark_failed(dead, PROCESS_DIED)
        return clean_up(session)


def tenants_to_clean() -> set[int]:
    """With something left behind, or with a move that nobody is at work on."""
    found = set(moves_with_leftovers().values_list("tenant_id", flat=True))
    with owner().cursor() as cursor:
        at_work = _running().exclude(stage=Stage.WAITING).values_list("tenant_id", flat=True)
        return found | {tenant for tenant in at_work if not is_moving(cursor, tenant)}


def waiting_moves() -> list[int]:
    return list(_running().filter(stage=Stage.WAITING).order_by("pk").values_list("pk", flat=True))


def _running() -> QuerySet[TenantMove]:
    running = TenantMove.objects.using("owner").filter(status=TenantMove.Status.RUNNING)
    return running.select_related("tenant")
