"""Whether two places have the same rows: counted, and every row's text hashed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenants.moving.copy import slices, touched_rows
from tenants.moving.session import MoveFailed

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.moving.capture import Touched
    from tenants.moving.copy import Route
    from tenants.moving.tables import Table


@dataclass(frozen=True, slots=True)
class TableState:
    """The sum of 64-bit hashes of all rows: the same rows in any order give the same."""

    rows: int
    checksum: int


def compare_all(cursor: CursorWrapper, route: Route) -> dict[str, TableState]:
    """Of every row, in the caller's snapshot. Raises MoveFailed."""
    found = {}
    for table in route.tables:
        here = _state(cursor, table, route.at_source(table.name), _everything(route))
        there = _state(cursor, table, route.at_target(table.name), _everything(route))
        _check_same(table, here, there)
        found[table.name] = here
    return found


def compare_touched(cursor: CursorWrapper, route: Route, touched: Touched) -> None:
    """Of the rows with these keys. Raises MoveFailed."""
    for table in route.tables:
        where = touched_rows(route, table)
        for keys in slices(touched.get(table.name, ())):
            here = _state(cursor, table, route.at_source(table.name), where, keys)
            there = _state(cursor, table, route.at_target(table.name), where, keys)
            _check_same(table, here, there)


def compare_counts(cursor: CursorWrapper, route: Route) -> dict[str, int]:
    """Raises MoveFailed."""
    here = count_rows(cursor, route.source, route.tables, route.tenant_id)
    there = count_rows(cursor, route.target, route.tables, route.tenant_id)
    for name, rows in here.items():
        if rows != there[name]:
            raise _different(name, f"{rows} rows here, {there[name]} there")
    return here


def count_rows(
    cursor: CursorWrapper, schema: str, tables: tuple[Table, ...], tenant_id: int
) -> dict[str, int]:
    counts = {}
    for table in tables:
        cursor.execute(
            f'SELECT count(*) FROM "{schema}".{table.name} WHERE tenant_id = %s',  # noqa: S608
            [tenant_id],
        )
        counts[table.name] = cursor.fetchone()[0]
    return counts


def _everything(route: Route) -> str:
    return f"tenant_id = {route.tenant_id}"


def _state(
    cursor: CursorWrapper, table: Table, place: str, where: str, keys: list[str] | None = None
) -> TableState:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    cursor.execute(
        f"""
        SELECT count(*), coalesce(sum(hashtextextended(ROW({columns})::text, 0)), 0)
        FROM {place} WHERE {where}
        """,  # noqa: S608
        {"keys": keys},
    )
    found = cursor.fetchone()
    return TableState(found[0], int(found[1]))


def _check_same(table: Table, here: TableState, there: TableState) -> None:
    if here.rows != there.rows:
        raise _different(table.name, f"{here.rows} rows here, {there.rows} there")
    if here != there:
        raise _different(table.name, f"{here.rows} rows, but not the same content")


def _different(table: str, how: str) -> MoveFailed:
    return MoveFailed(
        f"The copy is not the same as the original: {table} has {how}. Nothing was switched; "
        "the copy is removed. Move again.",
        code="move_differs",
        extra={"table": table},
    )
