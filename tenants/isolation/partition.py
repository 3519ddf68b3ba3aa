"""One pool of tables whose chunks, the bulk of the data, are in a partition for each tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants import schema
from tenants.isolation.base import Isolation, delete_rows
from tenants.tables import AS_NOBODY, row_level_security

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.context import TenantLike

POOL = "pool_partition"
PARENT = f"{POOL}.retrieval_chunk"
# LIKE does not copy for which columns statistics are kept.
COPY_STATISTICS_TARGETS = """
DO $$ BEGIN EXECUTE coalesce((
    SELECT 'ALTER TABLE {partition} ' || string_agg(
        format('ALTER %I SET STATISTICS %s', attname, attstattarget), ', ')
    FROM pg_catalog.pg_attribute
    WHERE attrelid = '{parent}'::regclass AND attnum > 0 AND attstattarget >= 0), '');
END $$;
"""


class PartitionIsolation(Isolation):
    level = "partition"

    def schema_name(self, slug: str) -> str:
        return POOL

    def ensure(self, cursor: CursorWrapper) -> None:
        schema.ensure_pool(cursor, POOL, default_partition=False)

    def provision(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        """Made apart and then attached: that does not wait for those who read other partitions."""
        self.ensure(cursor)
        self.prepare(cursor, tenant)
        self.attach(cursor, tenant)

    def prepare(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        partition = _partition(tenant)
        cursor.execute(
            f"{AS_NOBODY}"
            f"CREATE TABLE {partition} (LIKE {PARENT} INCLUDING ALL);{row_level_security(partition)}"
            f"{COPY_STATISTICS_TARGETS.format(partition=partition, parent=PARENT)}"
        )

    def attach(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        """Whoever writes documents of other partitions waits until the transaction ends."""
        cursor.execute(
            f"ALTER TABLE {PARENT} ATTACH PARTITION {_partition(tenant)} FOR VALUES IN ({tenant.id})"
        )

    def drop_own(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        cursor.execute(f"DROP TABLE IF EXISTS {_partition(tenant)}")

    def chunk_table(self, tenant: TenantLike) -> str:
        return _partition(tenant)

    def remove(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        """The partition last: everybody else in the pool waits from its drop to the end."""
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [_partition(tenant)])
        if cursor.fetchone()[0]:
            cursor.execute(f"TRUNCATE {_partition(tenant)}")
        delete_rows(cursor, tenant)
        self.drop_own(cursor, tenant)


def _partition(tenant: TenantLike) -> str:
    return f"{POOL}.retrieval_chunk_t{int(tenant.id)}"
