"""Kept answers end: expired ones go, a tenant keeps so many at most, and many have an index.

A look at one tenant's entries costs a transaction, so only those are looked at whose schema has any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from retrieval.vectors import cache_index, of_dimension
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.schema import owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper

MOST_ENTRIES = 100_000
BATCH = 5_000
# Comparing every entry takes 1.2 ms at 1,000 and grows with them (benchmarks/cache_latency).
INDEX_FROM = 2_000
MOST_DIMENSIONS = 4_000  # pgvector indexes no longer halfvecs
# The file's size is what Postgres knows without reading a row, and right after a crash too.
FILLED_SCHEMAS = """
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'retrieval_cacheentry' AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0
"""
# An entry that somebody called wrong stays as a mark of the pair.
PURGE_EXPIRED = """
DELETE FROM retrieval_cacheentry WHERE id = ANY(ARRAY(
    SELECT id FROM retrieval_cacheentry
    WHERE tenant_id = %(tenant)s AND expires_at <= now() AND not_for = '{}'
    ORDER BY expires_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
"""
PURGE_EXCESS = """
DELETE FROM retrieval_cacheentry WHERE id = ANY(ARRAY(
    SELECT id FROM retrieval_cacheentry WHERE tenant_id = %(tenant)s
    ORDER BY not_for = '{}' DESC, expires_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
"""
COUNT = "SELECT count(*) FROM retrieval_cacheentry WHERE tenant_id = %(tenant)s"
OTHER_INDEXES = """
SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relname ~ %s AND c.relname <> %s
"""
FIND_INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


def tenants_with_entries() -> Iterator[Tenant]:
    with connection.cursor() as cursor:
        cursor.execute(FILLED_SCHEMAS)
        schemas = [name for (name,) in cursor.fetchall()]
    found = Tenant.objects.filter(status=Tenant.Status.ACTIVE, schema_name__in=schemas)
    return found.iterator()


def purge(tenant: Tenant) -> int:
    """Deletes what has expired, and the oldest beyond MOST_ENTRIES, a batch a transaction."""
    purged = 0
    while deleted := _run(tenant, PURGE_EXPIRED, BATCH):
        purged += deleted
    excess = count_entries(tenant) - MOST_ENTRIES
    while excess > 0 and (deleted := _run(tenant, PURGE_EXCESS, min(excess, BATCH))):
        purged, excess = purged + deleted, excess - deleted
    return purged


def count_entries(tenant: Tenant) -> int:
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(COUNT, {"tenant": tenant.pk})
        return cursor.fetchone()[0]


def tend_index(tenant: Tenant) -> None:
    """Builds the index when there are many entries, and drops it when they are half as many."""
    count, dimension = count_entries(tenant), tenant.embedding_dimension
    name = index_name(tenant)
    with owner().cursor() as cursor:
        _drop_other_indexes(cursor, tenant)
        cursor.execute(FIND_INDEX, [f'"{tenant.schema_name}".{name}'])
        found = cursor.fetchone()
        wanted = count >= INDEX_FROM and dimension <= MOST_DIMENSIONS
        if found and (not found[0] or (not wanted and count < INDEX_FROM / 2)):
            cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{tenant.schema_name}".{name}')
            found = None
        if wanted and not found:
            cursor.execute(
                f'CREATE INDEX CONCURRENTLY {name} ON "{tenant.schema_name}".retrieval_cacheentry'
                f" USING hnsw ((embedding::extensions.halfvec({dimension}))"
                " extensions.halfvec_cosine_ops) WITH (m = 16, ef_construction = 128)"
                f" WHERE tenant_id = {int(tenant.pk)} AND evicted_at IS NULL"
                f" AND {of_dimension(dimension)}"
            )


def _drop_other_indexes(cursor: CursorWrapper, tenant: Tenant) -> None:
    """Of models that were replaced by one with vectors of another dimension."""
    pattern = f"^cache_hnsw_{int(tenant.pk)}_"
    cursor.execute(OTHER_INDEXES, [tenant.schema_name, pattern, index_name(tenant)])
    for (other,) in cursor.fetchall():
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {other}")


def index_name(tenant: Tenant) -> str:
    return cache_index(tenant.pk, tenant.embedding_dimension)


def _run(tenant: Tenant, statement: str, batch: int) -> int:
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(statement, {"tenant": tenant.pk, "batch": batch})
        return cursor.rowcount
