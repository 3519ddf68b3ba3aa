"""Notes which rows of the tenant change while it is being copied, by triggers on the tables it leaves."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.moving.session import Session
    from tenants.moving.tables import Table

# By table, the keys of rows as they are in the log: JSON lists.
Touched = dict[str, list[str]]

FUNCTION_LOCK = 0x6E63
SLICE = 1_000
# The table's name and the columns of its key are the trigger's arguments. Runs as the owner, because
# those who write to a tenant need no right on the log.
FUNCTION = """
CREATE OR REPLACE FUNCTION public.tenants_note_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    columns text := (SELECT string_agg(format('($1).%I', c), ', ' ORDER BY n)
        FROM unnest(TG_ARGV) WITH ORDINALITY AS argument(c, n) WHERE n > 1);
    query text := 'SELECT jsonb_build_array(' || columns || ')::text';
    old_key text;
    new_key text;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        EXECUTE query INTO old_key USING OLD;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        EXECUTE query INTO new_key USING NEW;
    END IF;
    INSERT INTO public.tenants_rowchange (tenant_id, table_name, row_key)
    SELECT CASE TG_OP WHEN 'DELETE' THEN OLD.tenant_id ELSE NEW.tenant_id END, TG_ARGV[0], key
    FROM (SELECT old_key UNION SELECT new_key) AS keys(key) WHERE key IS NOT NULL;
    RETURN NULL;
END
$body$
"""
# Where the tenant's rows of a table are: in a partition of its own, in the default one, or in the table.
PLACE_OF_ROWS = """
SELECT p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%s) AND p.relname = ANY(%s)
ORDER BY p.relname = %s DESC LIMIT 1
"""
TRIGGERS = """
SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = to_regnamespace(%s) AND t.tgname = ANY(%s) AND t.tgparentid = 0
"""


def start_capture(session: Session, schema: str, tables: tuple[Table, ...]) -> None:
    """Each trigger waits for those who are writing: from its commit on, no change goes unnoticed."""
    with session.transaction() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [FUNCTION_LOCK])
        cursor.execute(FUNCTION)
    for table in tables:
        session.retry(partial(_add_triggers, schema=schema, table=table, tenant=session.tenant_id))


def stop_capture(session: Session, schema: str) -> None:
    with session.transaction() as cursor:
        cursor.execute(TRIGGERS, [f'"{schema}"', list(_names(session.tenant_id))])
        found = cursor.fetchall()
    for relation, trigger in found:
        statement = f'DROP TRIGGER IF EXISTS {trigger} ON "{schema}".{relation}'
        session.retry(lambda cursor, statement=statement: cursor.execute(statement))


def _add_triggers(cursor: CursorWrapper, *, schema: str, table: Table, tenant: int) -> None:
    relation = place_of_rows(cursor, schema, table.name, tenant)
    arguments = ", ".join(f"'{part}'" for part in (table.name, *table.row_key))
    written, removed = _names(tenant)
    for name, events, row in ((written, "INSERT OR UPDATE", "NEW"), (removed, "DELETE", "OLD")):
        cursor.execute(
            f'CREATE TRIGGER {name} AFTER {events} ON "{schema}".{relation} FOR EACH ROW'
            f" WHEN ({row}.tenant_id = {tenant})"
            f" EXECUTE FUNCTION public.tenants_note_change({arguments})"
        )


def _names(tenant: int) -> tuple[str, str]:
    return f"note_written_{tenant}", f"note_removed_{tenant}"


def place_of_rows(cursor: CursorWrapper, schema: str, table: str, tenant: int) -> str:
    own = f"{table}_t{tenant}"
    cursor.execute(PLACE_OF_ROWS, [f'"{schema}".{table}', [own, f"{table}_default"], own])
    found = cursor.fetchone()
    return found[0] if found else table


def take_changes(cursor: CursorWrapper, tenant: int) -> Touched:
    """All that the transaction sees, out of the log: a change that commits later comes next time."""
    cursor.execute(
        "DELETE FROM public.tenants_rowchange WHERE tenant_id = %s RETURNING table_name, row_key",
        [tenant],
    )
    touched: defaultdict[str, set[str]] = defaultdict(set)
    for table, key in cursor.fetchall():
        touched[table].add(key)
    # One order for all, so that two runs do the same.
    return {table: sorted(keys, key=json.loads) for table, keys in touched.items()}


def forget_changes(session: Session) -> None:
    with session.transaction() as cursor:
        cursor.execute(
            "DELETE FROM public.tenants_rowchange WHERE tenant_id = %s", [session.tenant_id]
        )
