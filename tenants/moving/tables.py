"""A tenant's tables as the database has them: columns, key, and what they refer to.

Read from the catalog and not from the models, so that what is copied is what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenants.tables import tenant_tables

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

COLUMNS = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attname),
    array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = ANY(%s)
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.relname
"""
KEYS = """
SELECT c.relname, array_agg(a.attname::text ORDER BY k.place)
FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary,
    unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute a ON a.attnum = k.attnum
WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = ANY(%s) AND a.attrelid = c.oid
GROUP BY c.relname
"""
REFERENCES = """
SELECT child.relname, parent.relname,
    (SELECT array_agg(a.attname::text ORDER BY k.place)
     FROM unnest(f.conkey) WITH ORDINALITY AS k(attnum, place)
     JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
    (SELECT array_agg(a.attname::text ORDER BY k.place)
     FROM unnest(f.confkey) WITH ORDINALITY AS k(attnum, place)
     JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum)
FROM pg_constraint f JOIN pg_class child ON child.oid = f.conrelid
    JOIN pg_class parent ON parent.oid = f.confrelid
WHERE f.contype = 'f' AND child.relnamespace = to_regnamespace(%s) AND child.relname = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Reference:
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`key` is the primary key; `row_key` is what of it tells one tenant's rows apart."""

    name: str
    types: dict[str, str]
    key: tuple[str, ...]
    references: tuple[Reference, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.types)

    @property
    def row_key(self) -> tuple[str, ...]:
        return tuple(column for column in self.key if column != "tenant_id")

    def as_json(self, alias: str) -> str:
        """SQL for a row's key as text, as the change log has it."""
        values = ", ".join(f'{alias}."{column}"' for column in self.row_key)
        return f"jsonb_build_array({values})::text"

    def from_json(self, value: str) -> str:
        """SQL for the key's columns out of the JSON list `value`."""
        return ", ".join(
            f"({value}->>{n})::{self.types[column]}" for n, column in enumerate(self.row_key)
        )

    def after(self, key: str | None) -> str:
        """SQL for the rows behind the key in the parameter `after`; behind none are all."""
        if key is None:
            return ""
        columns = ", ".join(f'"{column}"' for column in self.row_key)
        return f"AND ({columns}) > ({self.from_json('%(after)s::jsonb')})"


def read_tables(cursor: CursorWrapper, schema: str) -> tuple[Table, ...]:
    """Those that are there, each after those it refers to."""
    names = list(tenant_tables())
    cursor.execute(COLUMNS, [f'"{schema}"', names])
    types = {name: dict(zip(*columns, strict=True)) for name, *columns in cursor.fetchall()}
    cursor.execute(KEYS, [f'"{schema}"', names])
    keys = {name: tuple(columns) for name, columns in cursor.fetchall()}
    cursor.execute(REFERENCES, [f'"{schema}"', names])
    references = [
        (child, Reference(tuple(columns), parent, tuple(parent_columns)))
        for child, parent, columns, parent_columns in cursor.fetchall()
    ]
    return tuple(
        Table(name, types[name], keys[name], tuple(r for child, r in references if child == name))
        for name in names
        if name in types
    )
