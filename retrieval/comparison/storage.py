"""What a tenant takes in the database: its rows with their indexes, and its share of the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from tenants.isolation.levels import isolation_of
from tenants.schema import owner
from tenants.tables import TENANT_ID, tenant_tables

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.models import Tenant

# Those that grow with tables; pg_statistic can be read by a superuser only.
CATALOGS = (
    "pg_namespace", "pg_class", "pg_attribute", "pg_attrdef", "pg_type", "pg_index",
    "pg_constraint", "pg_depend", "pg_shdepend", "pg_inherits", "pg_partitioned_table",
    "pg_policy", "pg_trigger", "pg_sequence",
)  # fmt: skip
# The live rows, without indexes: files keep the room of dropped tables, and by them a level would
# be charged for what the one before it left.
CATALOG = (
    "SELECT count(*) AS rows, coalesce(sum(pg_column_size(t)), 0) AS bytes FROM pg_catalog.{} t"
)
OWN_SCHEMA = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relnamespace = %s::regnamespace AND relkind = 'r'
"""
PLACES = "SELECT tableoid::regclass::text, count(*) FROM {} WHERE tenant_id = %s GROUP BY 1"
# `reltuples` was counted a moment ago by ANALYZE.
SHARE = """
SELECT pg_total_relation_size(oid) * least(1, %s / greatest(reltuples, 1)) FROM pg_class
WHERE oid = %s::regclass
"""


@dataclass(frozen=True, slots=True)
class Catalog:
    rows: int
    bytes: float


def read_catalog() -> Catalog:
    parts = " UNION ALL ".join(f"({CATALOG.format(name)})" for name in CATALOGS)
    with owner().cursor() as cursor:
        cursor.execute(f"SELECT sum(rows), sum(bytes) FROM ({parts}) AS parts")  # noqa: S608
        found = cursor.fetchone()
    return Catalog(int(found[0]), float(found[1]))


def measure_storage(tenant: Tenant) -> float:
    """Bytes of heap, TOAST and indexes. Of a table that tenants share, the tenant's part by rows."""
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [TENANT_ID, str(tenant.pk)])
        places = [place for table in tenant_tables() for place in _places(cursor, tenant, table)]
        # The planner's figures are those that a tenant has after its first hours.
        for relation, _ in places:
            cursor.execute(f"ANALYZE {relation}")
        if not isolation_of(tenant.isolation).is_pool:
            cursor.execute(OWN_SCHEMA, [f'"{tenant.schema_name}"'])
            return float(cursor.fetchone()[0])
        return sum(_share(cursor, relation, rows) for relation, rows in places)


def _places(cursor: CursorWrapper, tenant: Tenant, table: str) -> list[tuple[str, int]]:
    cursor.execute(PLACES.format(f'"{tenant.schema_name}"."{table}"'), [tenant.pk])
    return cursor.fetchall()


def _share(cursor: CursorWrapper, relation: str, rows: int) -> float:
    cursor.execute(SHARE, [rows, relation])
    return float(cursor.fetchone()[0])
