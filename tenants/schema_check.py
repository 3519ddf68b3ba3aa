"""Which tenant schemas are not as they must be, asked in one query however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Sequence

# A schema dropped behind our back, one behind, one made by a newer release, and a tenant whose
# schema was never written down: what is known on one side only is found by the full join.
FIND = """
SELECT coalesce(v.schema_name, t.schema_name), coalesce(v.version, ''), n.oid IS NULL
FROM public.tenants_schemaversion v
FULL JOIN (SELECT DISTINCT schema_name FROM public.tenants_tenant) t USING (schema_name)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = coalesce(v.schema_name, t.schema_name)::name
WHERE v.version IS DISTINCT FROM %s OR n.oid IS NULL
ORDER BY 1
"""
MISSING, UNRECORDED, NEWER, BEHIND = "missing", "unrecorded", "newer", "behind"


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """`kind` is behind (migrate_schemas brings it up to date), missing, unrecorded or newer."""

    schema: str
    version: str
    kind: str

    def __str__(self) -> str:
        return {
            MISSING: "the schema is not in the database: restore it from a backup, "
            "or delete its tenant",
            UNRECORDED: "no version is written down for it: it was not made by ragadmin",
            NEWER: f"it is at {self.version}, which this release does not know: "
            "install the newer release that migrated it",
            BEHIND: f"it is at {self.version}",
        }[self.kind]


def find_problems(versions: Sequence[str]) -> list[SchemaProblem]:
    """`versions`: every migration this release knows, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, [versions[-1]])
        rows = cursor.fetchall()
    return [SchemaProblem(name, at, _kind(at, missing, versions)) for name, at, missing in rows]


def _kind(version: str, missing: bool, versions: Sequence[str]) -> str:
    if missing:
        return MISSING
    if not version:
        return UNRECORDED
    return BEHIND if version in versions else NEWER
