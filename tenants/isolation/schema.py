"""A Postgres schema for each tenant: the strongest separation, and the default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants import schema
from tenants.isolation.base import Isolation

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.context import TenantLike


class SchemaIsolation(Isolation):
    level = "schema"
    is_pool = False

    def schema_name(self, slug: str) -> str:
        return f"t_{slug.replace('-', '_')}"

    def provision(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        schema.create_schema(cursor, tenant.schema_name)

    def remove(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        schema.drop_schema(cursor, tenant.schema_name)
