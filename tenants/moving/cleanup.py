"""Removes what a move leaves behind: the old place after it, or the unfinished new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants.isolation.levels import isolation_of
from tenants.models import Tenant, TenantMove
from tenants.moving.capture import forget_changes, stop_capture
from tenants.moving.copy import BATCH
from tenants.moving.place import tenant_at
from tenants.moving.progress import Stage
from tenants.moving.tables import read_tables

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper
    from django.db.models import QuerySet

    from tenants.moving.session import Session
    from tenants.moving.tables import Table


# In a pool, an index on one tenant's rows only, such as that of its vectors.
OWN_INDEXES = """
SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = to_regnamespace(%s)
    AND pg_get_expr(i.indpred, i.indrelid) LIKE format('%%%%(tenant_id = %%s)%%%%', %s::bigint)
"""


def moves_with_leftovers() -> QuerySet[TenantMove]:
    over = TenantMove.objects.using("owner").exclude(status=TenantMove.Status.RUNNING)
    return over.filter(stage=Stage.LEFTOVERS).select_related("tenant").order_by("pk")


def clean_up(session: Session) -> int:
    """Of all the tenant's moves that are over. Returns of how many. Safe to repeat."""
    cleaned = 0
    for move in moves_with_leftovers().filter(tenant_id=session.tenant_id):
        clean_up_after(session, move)
        TenantMove.objects.using("owner").filter(pk=move.pk).update(stage=Stage.DONE)
        cleaned += 1
    return cleaned


def clean_up_after(session: Session, move: TenantMove) -> None:
    """Never touches the place where the tenant is; a tenant that was deleted is nowhere."""
    stop_capture(session, move.from_schema)
    forget_changes(session)
    here = Tenant.objects.using("owner").filter(pk=session.tenant_id).first()
    for level, schema in (
        (move.from_isolation, move.from_schema),
        (move.to_isolation, move.to_schema),
    ):
        if here is None or (level != here.isolation and schema != here.schema_name):
            remove_place(session, tenant_at(move.tenant, level, schema))


def remove_place(session: Session, place: Tenant) -> None:
    """From a pool in batches, so that nobody waits and nothing grows."""
    with session.transaction() as cursor:
        cursor.execute("SELECT to_regnamespace(%s)", [f'"{place.schema_name}"'])
        if cursor.fetchone()[0] is None:
            return
        tables = read_tables(cursor, place.schema_name)
    level = isolation_of(place.isolation)
    session.retry(lambda cursor: level.drop_own(cursor, place))
    if level.is_pool:
        _drop_own_indexes(session, place)
        for table in reversed(tables):
            _delete_in_batches(session, place, table)
    session.retry(lambda cursor: level.remove(cursor, place))


def _drop_own_indexes(session: Session, place: Tenant) -> None:
    with session.transaction() as cursor:
        cursor.execute(OWN_INDEXES, [f'"{place.schema_name}"', place.id])
        found = [name for (name,) in cursor.fetchall()]
    for name in found:
        session.retry(lambda cursor, name=name: cursor.execute(f"DROP INDEX IF EXISTS {name}"))


def _delete_in_batches(session: Session, place: Tenant, table: Table) -> None:
    after: str | None = None
    while True:
        with session.transaction() as cursor:
            after = _delete_batch(cursor, place, table, after)
        if after is None:
            return


def _delete_batch(
    cursor: CursorWrapper, place: Tenant, table: Table, after: str | None
) -> str | None:
    keys = ", ".join(f'"{column}"' for column in table.row_key)
    cursor.execute(
        f"""
        WITH batch AS MATERIALIZED (
            SELECT {keys} FROM "{place.schema_name}".{table.name}
            WHERE tenant_id = {place.id} {table.after(after)} ORDER BY {keys} LIMIT {BATCH}
        ), gone AS (
            DELETE FROM "{place.schema_name}".{table.name}
            WHERE tenant_id = {place.id} AND ({keys}) IN (SELECT {keys} FROM batch)
        )
        SELECT {table.as_json("batch")} FROM batch ORDER BY {keys} DESC LIMIT 1
        """,  # noqa: S608
        {"after": after},
    )
    last = cursor.fetchone()
    return last[0] if last else None
