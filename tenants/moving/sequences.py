"""Numbers that the database gives: at the new place they go on above those already used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.moving.copy import Route

SEQUENCE_LOCK = 0x7365
# Others in the pool take numbers at the same time: a step that they cannot overtake meanwhile.
STEP = 1_000_000
SEQUENCES = """
SELECT c.relname, a.attname, pg_get_serial_sequence(format('%%I.%%I', %s::text, c.relname), a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = ANY(%s)
    AND pg_get_serial_sequence(format('%%I.%%I', %s::text, c.relname), a.attname) IS NOT NULL
"""


def advance_sequences(cursor: CursorWrapper, route: Route) -> None:
    """Beyond what the old place has given out, rows that were deleted since included: an old
    reference to a row must not lead to another one."""
    there = _sequences(cursor, route, route.target)
    for place, source in _sequences(cursor, route, route.source).items():
        target = there[place]
        # One mover after another, because none must set back what another has set.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [SEQUENCE_LOCK])
        cursor.execute(
            f"SELECT setval('{target}', there.last_value + here.last_value + {STEP})"  # noqa: S608
            f" FROM {target} AS there, {source} AS here WHERE there.last_value <= here.last_value"
        )


def _sequences(cursor: CursorWrapper, route: Route, schema: str) -> dict[tuple[str, str], str]:
    names = [table.name for table in route.tables]
    cursor.execute(SEQUENCES, [schema, f'"{schema}"', names, schema])
    return {(table, column): sequence for table, column, sequence in cursor.fetchall()}
