"""The figures of a tenant that is deleted or imported. A move leaves them where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.booking import FLEET
from monitoring.intake import FROM_TRACES, INTO
from monitoring.rebuild import ALL_SPENDING, ALL_USAGE
from monitoring.rollups import count, hold_alone
from tenants.archive import hooks
from tenants.public_rows import PublicRows, register

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.models import Tenant

KINDS = {
    "metrics": ("monitoring_querymetric",),
    "usage rows": tuple(model._meta.db_table for model in ALL_USAGE),  # noqa: SLF001
    "spending rows": tuple(model._meta.db_table for model in ALL_SPENDING),  # noqa: SLF001
}

# What was asked in evaluations has no trace, and is kept with its calls by the run.
KEPT_EVALUATIONS = f"""
{INTO} (id, asked_at, tenant_id, answer_id, entry, model, cache, calls)
SELECT gen_random_uuid(), (r->>'asked_at')::timestamptz, e.tenant_id, e.id, 'evaluation', '', 'none', r->'calls'
FROM retrieval_evaluation e, jsonb_array_elements(e.results) r
WHERE e.tenant_id = %s AND jsonb_array_length(r->'calls') > 0
"""  # noqa: S608 - of constants


def register_tenant_life() -> None:
    register(PublicRows(count_rows_of, remove_rows_of))
    hooks.register(keep_books_of_imported)


def count_rows_of(cursor: CursorWrapper, tenant_id: int) -> dict[str, int]:
    return {
        kind: sum(_count(cursor, table, tenant_id) for table in tables)
        for kind, tables in KINDS.items()
    }


def remove_rows_of(cursor: CursorWrapper, tenant_id: int) -> None:
    """What was asked stays in the fleet's figures, also what nobody has summed up yet."""
    state = hold_alone(cursor)
    count(cursor, f"q.tenant_id = {tenant_id} AND {state.new()}", [FLEET])
    for tables in KINDS.values():
        for table in tables:
            cursor.execute(f"DELETE FROM public.{table} WHERE tenant_id = %s", [tenant_id])  # noqa: S608


def keep_books_of_imported(cursor: CursorWrapper, tenant: Tenant) -> None:
    """The next summing up counts its answers and evaluations, each at the time it was asked."""
    for statement in FROM_TRACES:
        condition = f"t.tenant_id = {tenant.pk}"
        cursor.execute(statement.format(xid="pg_current_xact_id()", condition=condition))
    cursor.execute(KEPT_EVALUATIONS, [tenant.pk])


def _count(cursor: CursorWrapper, table: str, tenant_id: int) -> int:
    cursor.execute(f"SELECT count(*) FROM public.{table} WHERE tenant_id = %s", [tenant_id])  # noqa: S608
    return cursor.fetchone()[0]
