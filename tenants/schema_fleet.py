"""Every tenant schema with its state and size, a page at a time, out of the catalog."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import connection

from tenants.compiled import migration_names
from tenants.isolation import partition, shared
from tenants.models import Tenant
from tenants.schema_check import BEHIND, MISSING, NEWER, UNRECORDED
from tenants.tables import tenant_tables

if TYPE_CHECKING:
    from datetime import datetime

CURRENT, INCOMPLETE = "current", "incomplete"
STATES = (CURRENT, BEHIND, MISSING, UNRECORDED, NEWER)
POOL_LEVELS = {
    partition.POOL: Tenant.Isolation.PARTITION,
    shared.POOL: Tenant.Isolation.SHARED,
}
# Sizes to sort by are Postgres' own estimates: measuring every file of ten thousand schemas takes
# seconds and makes a backend remember each of their tables. The page shown is measured.
FLEET = """
WITH fleet AS (
    SELECT schema_name, v.version, v.migrated_at, n.oid AS namespace, t.slug,
        coalesce(t.tenants, 0) AS tenants,
        coalesce(%(pools)s::jsonb ->> schema_name, 'schema') AS level,
        CASE WHEN n.oid IS NULL THEN 'missing'
            WHEN v.version IS NULL THEN 'unrecorded'
            WHEN v.version = %(newest)s THEN 'current'
            WHEN v.version = ANY(%(versions)s) THEN 'behind'
            ELSE 'newer' END AS state
    FROM public.tenants_schemaversion v
    FULL JOIN (
        SELECT schema_name, count(*) AS tenants, min(slug) AS slug
        FROM public.tenants_tenant GROUP BY schema_name) t USING (schema_name)
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = schema_name::name
)
"""
COUNT = "SELECT count(*) FROM fleet"
SELECT = "SELECT schema_name, level, state, tenants, slug, version, migrated_at FROM fleet"
WHERE = """
WHERE (%(state)s = '' OR state = %(state)s) AND (%(level)s = '' OR level = %(level)s)
    AND (%(text)s = '' OR strpos(schema_name, lower(%(text)s)) > 0 OR EXISTS (
        SELECT FROM public.tenants_tenant named WHERE named.schema_name = fleet.schema_name
            AND (strpos(named.slug, lower(%(text)s)) > 0
                OR strpos(lower(named.name), lower(%(text)s)) > 0)))
"""
ESTIMATE = """
LEFT JOIN (
    SELECT c.relnamespace AS namespace, sum(c.relpages::bigint + coalesce(toast.relpages, 0)) AS pages
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
    GROUP BY c.relnamespace) estimate USING (namespace)
"""
MEASURE = """
SELECT n.nspname, sum(pg_catalog.pg_total_relation_size(c.oid))::bigint,
    count(*) FILTER (WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s::name[]) AND c.relkind IN ('r', 'p') GROUP BY n.nspname
"""
SUMMARY = """
SELECT count(*), count(*) FILTER (WHERE state = 'behind'),
    count(*) FILTER (WHERE state IN ('missing', 'unrecorded')),
    count(*) FILTER (WHERE state = 'newer')
FROM fleet
"""
SIZES = """
SELECT pg_catalog.pg_database_size(current_database()), count(*),
    (SELECT sum(pg_catalog.pg_total_relation_size(oid))::bigint FROM pg_catalog.pg_class
        WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r')
FROM pg_catalog.pg_class
"""
SIZES_SECONDS = 60
NOTHING: list[Any] = [None, 0]  # the size and tables of a schema that is not there
PROBLEMS_FIRST = "state = 'current', schema_name"
SORTS = {
    "schema": "schema_name",
    "tenants": "tenants",
    "version": "version",
    "migrated": "migrated_at",
    "size": "pages",
}


@dataclass(frozen=True, slots=True)
class FleetSchema:
    """`slug` is the only tenant's, or the first of a pool."""

    schema: str
    level: str
    state: str
    tenants: int
    slug: str
    version: str
    migrated_at: datetime | None
    size: int | None
    tables: int


@dataclass(frozen=True, slots=True)
class FleetSummary:
    schemas: int
    behind: int
    missing: int
    newer: int
    database_size: int
    catalog_rows: int
    catalog_size: int


@dataclass(frozen=True, slots=True)
class FleetFilter:
    """What Django's paginator asks for: a count and slices, each one query of the fleet."""

    text: str = ""
    state: str = ""
    level: str = ""
    sort: str = ""

    def count(self) -> int:
        return int(_fetch(FLEET + COUNT + WHERE, self._values())[0][0])

    def __getitem__(self, part: slice) -> list[FleetSchema]:
        order = f"ORDER BY {self._order} LIMIT %(limit)s OFFSET %(start)s"
        query = FLEET + SELECT + self._join + WHERE + order
        limits = {"start": part.start or 0, "limit": part.stop - (part.start or 0)}
        rows = _fetch(query, self._values() | limits)
        measured = {name: found for name, *found in _fetch(MEASURE, [[row[0] for row in rows]])}
        return [_as_schema(row, measured.get(row[0], NOTHING)) for row in rows]

    def __len__(self) -> int:
        return self.count()

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        return self.sort.startswith("-")

    @property
    def _join(self) -> str:
        return ESTIMATE if self.column == "size" else ""

    @property
    def _order(self) -> str:
        if self.column not in SORTS:
            return PROBLEMS_FIRST
        direction = "DESC NULLS LAST" if self.is_descending else "ASC NULLS FIRST"
        return f"{SORTS[self.column]} {direction}, schema_name"

    def _values(self) -> dict[str, Any]:
        return _versions() | {"text": self.text, "state": self.state, "level": self.level}


def summarize_fleet() -> FleetSummary:
    sizes = _sizes(int(time.time() // SIZES_SECONDS))
    return FleetSummary(*_fetch(FLEET + SUMMARY, _versions())[0], *sizes)


@lru_cache(maxsize=1)
def _sizes(minute: int) -> tuple[int, ...]:
    """Postgres looks at every file of the database for it, so it is asked once a minute."""
    return _fetch(SIZES, {})[0]


def _versions() -> dict[str, Any]:
    names = migration_names()
    pools = ", ".join(f'"{name}": "{level}"' for name, level in POOL_LEVELS.items())
    return {"newest": names[-1], "versions": names, "pools": f"{{{pools}}}"}


def _fetch(query: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _as_schema(row: tuple[Any, ...], measured: list[Any]) -> FleetSchema:
    """Somebody may have dropped a table and left the schema."""
    schema, level, state, tenants, slug, version, migrated_at = row
    size, tables = measured
    if state == CURRENT and tables < len(tenant_tables()):
        state = INCOMPLETE
    return FleetSchema(
        schema, level, state, tenants, slug or "", version or "", migrated_at, size, tables
    )
