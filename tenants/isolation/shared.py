"""One pool of tables for many tenants, told apart by `tenant_id` under forced row-level security."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants import schema
from tenants.isolation.base import Isolation, delete_rows

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.context import TenantLike

POOL = "pool_shared"


class SharedIsolation(Isolation):
    level = "shared"

    def schema_name(self, slug: str) -> str:
        return POOL

    def ensure(self, cursor: CursorWrapper) -> None:
        schema.ensure_pool(cursor, POOL)

    def provision(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        self.ensure(cursor)

    def remove(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        delete_rows(cursor, tenant)
