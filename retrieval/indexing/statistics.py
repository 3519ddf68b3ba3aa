"""What the planner knows of a tenant's tables while they are filled.

Of a table that was never analysed it believes that a tenant has a handful of rows, and reads all of
them to find a few by their ids: indexing would take the square of the documents. Autovacuum comes
once a minute at best; thousands of documents are indexed in that time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from tenants.isolation.levels import isolation_of
from tenants.schema import owner

if TYPE_CHECKING:
    from tenants.models import Tenant

log = structlog.get_logger(__name__)

FIRST_LOOK = 100
GROWTH = 4
MAX_REMEMBERED = 10_000

# Documents that this process has indexed of a tenant, and at how many it looks again.
_seen: dict[int, tuple[int, int]] = {}
_lock = threading.Lock()

_KNOWN_ROWS = "SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)"


def note_indexed(tenant: Tenant, documents: int) -> None:
    """Looks at the tables after 100, 400, 1,600 … documents."""
    with _lock:
        done, next_look = _seen.pop(tenant.pk, (0, FIRST_LOOK))
        done += documents
        is_time = done >= next_look
        while len(_seen) >= MAX_REMEMBERED:
            del _seen[next(iter(_seen))]
        _seen[tenant.pk] = (done, done * GROWTH if is_time else next_look)
    if is_time:
        refresh(tenant, done)


def refresh(tenant: Tenant, documents: int) -> None:
    """Has the tenant's tables analysed, unless the planner knows of so many rows already."""
    tables = (f'"{tenant.schema_name}".retrieval_document', _chunk_table(tenant))
    with owner().cursor() as cursor:
        for table in tables:
            cursor.execute(_KNOWN_ROWS, [table])
            row = cursor.fetchone()
            if row and row[0] < documents:
                cursor.execute(f"ANALYZE (SKIP_LOCKED) {table}")
                log.info("table analysed", tenant=tenant.slug, known_rows=int(row[0]))
    owner().close()


def _chunk_table(tenant: Tenant) -> str:
    return isolation_of(tenant.isolation).chunk_table(tenant)
