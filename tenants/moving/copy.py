"""Rows from one place to the other: in batches at first, then those that changed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from psycopg import errors

from tenants.moving.capture import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.backends.utils import CursorWrapper

    from tenants.moving.capture import Touched
    from tenants.moving.tables import Reference, Table

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Route:
    """From where to where. Schema and table names are ours: letters, digits, underscores."""

    tenant_id: int
    source: str
    target: str
    tables: tuple[Table, ...]

    def at_source(self, table: str) -> str:
        return f'"{self.source}".{table}'

    def at_target(self, table: str) -> str:
        return f'"{self.target}".{table}'


def copy_batch(
    cursor: CursorWrapper, route: Route, table: Table, after: str | None
) -> tuple[int, str | None]:
    """Copies the rows that come after the key `after`. Returns how many, and the last one's key.

    What cannot be inserted now, because its parent is not there yet or a unique value is still
    taken by a row that has changed since, is left to the change log.
    """
    columns, keys = _list(table.columns), _list(table.row_key)
    cursor.execute(
        f"""
        WITH batch AS MATERIALIZED (
            SELECT {columns} FROM {route.at_source(table.name)}
            WHERE tenant_id = {route.tenant_id} {table.after(after)}
            ORDER BY {keys} LIMIT {BATCH}
        ), added AS (
            INSERT INTO {route.at_target(table.name)} ({columns})
            SELECT {columns} FROM batch WHERE {_parents_are_there(route, table)}
            ON CONFLICT DO NOTHING RETURNING {keys}
        ), left_out AS (
            INSERT INTO public.tenants_rowchange (tenant_id, table_name, row_key)
            SELECT {route.tenant_id}, '{table.name}', {table.as_json("batch")}
            FROM batch WHERE ({keys}) NOT IN (SELECT {keys} FROM added)
        )
        SELECT {table.as_json("batch")} FROM batch ORDER BY {keys}
        """,  # noqa: S608
        {"after": after},
    )
    found = cursor.fetchall()
    return len(found), found[-1][0] if found else None


def apply_changes(cursor: CursorWrapper, route: Route, touched: Touched) -> None:
    """Makes the touched rows at the target what they are at the source, in this snapshot.

    First what is gone, referring tables first; then what is there, referred tables first. Rows are
    updated in place, because deleting one would take those that refer to it along.
    """
    for table in reversed(route.tables):
        for keys in slices(touched.get(table.name, ())):
            _delete_gone(cursor, route, table, keys)
    for table in route.tables:
        try:
            with transaction.atomic(using="owner"):
                _put(cursor, route, table, touched)
        except IntegrityError as error:
            if not isinstance(error.__cause__, errors.UniqueViolation):
                raise
            # Rows have exchanged a unique value: they are all taken out and put in anew.
            _take_out(cursor, route, table, touched)
            _put(cursor, route, table, touched)


def _put(cursor: CursorWrapper, route: Route, table: Table, touched: Touched) -> None:
    for keys in slices(touched.get(table.name, ())):
        _upsert(cursor, route, table, keys)


def slices(keys: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), SLICE):
        yield list(keys[start : start + SLICE])


def _upsert(cursor: CursorWrapper, route: Route, table: Table, keys: list[str]) -> None:
    new = ", ".join(f'"{c}" = EXCLUDED."{c}"' for c in table.columns if c not in table.key)
    action = f"DO UPDATE SET {new}" if new else "DO NOTHING"
    cursor.execute(
        f"""
        INSERT INTO {route.at_target(table.name)} ({_list(table.columns)})
        SELECT {_list(table.columns)} FROM {route.at_source(table.name)}
        WHERE {touched_rows(route, table)}
        ON CONFLICT ({_list(table.key)}) {action}
        """,  # noqa: S608
        {"keys": keys},
    )


def _delete_gone(cursor: CursorWrapper, route: Route, table: Table, keys: list[str]) -> None:
    cursor.execute(
        f"""
        DELETE FROM {route.at_target(table.name)}
        WHERE {touched_rows(route, table)} AND ({_list(table.row_key)}) NOT IN (
            SELECT {_list(table.row_key)} FROM {route.at_source(table.name)}
            WHERE {touched_rows(route, table)})
        """,  # noqa: S608
        {"keys": keys},
    )


def _take_out(cursor: CursorWrapper, route: Route, table: Table, touched: Touched) -> None:
    """Deletes the touched rows of `table` at the target, and notes and deletes those that refer to them."""
    out: Touched = {table.name: touched[table.name]}
    for child in route.tables:
        referring = [key for key in _referring(cursor, route, child, out) if child is not table]
        if referring:
            out[child.name] = referring
            touched[child.name] = sorted({*touched.get(child.name, ()), *referring})
    for each in reversed(route.tables):
        for keys in slices(out.get(each.name, ())):
            cursor.execute(
                f"DELETE FROM {route.at_target(each.name)} WHERE {touched_rows(route, each)}",  # noqa: S608
                {"keys": keys},
            )


def _referring(cursor: CursorWrapper, route: Route, child: Table, out: Touched) -> set[str]:
    """Keys of the target's rows of `child` that refer to a row that is taken out."""
    by_name = {table.name: table for table in route.tables}
    found: set[str] = set()
    for reference in child.references:
        parent = by_name[reference.parent]
        for keys in slices(out.get(parent.name, ())):
            cursor.execute(
                f"""
                SELECT {child.as_json("child")} FROM {route.at_target(child.name)} AS child
                WHERE tenant_id = {route.tenant_id} AND ({_list(reference.columns)}) IN (
                    SELECT {_list(reference.parent_columns)} FROM {route.at_target(parent.name)}
                    WHERE {touched_rows(route, parent)})
                """,  # noqa: S608
                {"keys": keys},
            )
            found.update(key for (key,) in cursor.fetchall())
    return found


def touched_rows(route: Route, table: Table) -> str:
    """SQL that is true for this tenant's rows with one of the keys in the parameter `keys`."""
    keys = f"SELECT {table.from_json('k')} FROM unnest(%(keys)s::jsonb[]) AS k"  # noqa: S608
    return f"tenant_id = {route.tenant_id} AND ({_list(table.row_key)}) IN ({keys})"


def _parents_are_there(route: Route, table: Table) -> str:
    return " AND ".join(_parent_is_there(route, each) for each in table.references) or "true"


def _parent_is_there(route: Route, reference: Reference) -> str:
    pairs = zip(reference.columns, reference.parent_columns, strict=True)
    same = " AND ".join(f'parent."{theirs}" = batch."{ours}"' for ours, theirs in pairs)
    return (
        f"(({_list(reference.columns)}) IS NULL OR EXISTS"  # noqa: S608
        f" (SELECT 1 FROM {route.at_target(reference.parent)} AS parent"
        f" WHERE parent.tenant_id = {route.tenant_id} AND {same}))"
    )


def _list(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
