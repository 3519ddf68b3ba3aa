"""One pool of tables whose chunks, the bulk of the data, are in a partition for each tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants import schema
from tenants.isolation.base import Isolation, delete_rows
from tenants.tables import row_level_security

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.context import TenantLike

POOL = "pool_partition"


class PartitionIsolation(Isolation):
    level = "partition"

    def schema_name(self, slug: str) -> str:
        return POOL

    def provision(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        """Made apart and then attached: that does not wait for those who read other partitions."""
        schema.ensure_pool(cursor, POOL, default_partition=False)
        partition, parent = _partition(tenant), f"{POOL}.retrieval_chunk"
        cursor.execute(
            f"CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL);"
            f"ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES IN ({tenant.id});"
            f"{row_level_security(partition)}"
        )

    def drop_own(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        cursor.execute(f"DROP TABLE IF EXISTS {_partition(tenant)}")

    def remove(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        self.drop_own(cursor, tenant)
        delete_rows(cursor, tenant)


def _partition(tenant: TenantLike) -> str:
    return f"{POOL}.retrieval_chunk_t{int(tenant.id)}"
