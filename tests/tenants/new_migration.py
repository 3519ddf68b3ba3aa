"""A second tenant migration, made by a test: the project has none to spare."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader

from tenants.compiled import CompiledMigration, compile_after, compiled_migrations
from tenants.models import SchemaVersion, Tenant
from tenants.services import create_tenant

if TYPE_CHECKING:
    from django.db.migrations.operations.base import Operation

NEXT = "9999_next"


def compile_next(*operations: Operation) -> tuple[CompiledMigration, ...]:
    """The project's migrations and one more."""
    (app,) = settings.TENANT_APPS
    migration: Any = type("Migration", (migrations.Migration,), {"operations": list(operations)})
    loader = MigrationLoader(None)
    state = loader.project_state(loader.graph.leaf_nodes(app))
    done = compiled_migrations()
    return (*done, compile_after(done, migration(NEXT, app), state))


def new_tenants(count: int, isolation: str = "schema") -> list[Tenant]:
    return [
        create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=isolation) for _ in range(count)
    ]


def version_of(tenant: Tenant) -> str:
    return SchemaVersion.objects.get(schema_name=tenant.schema_name).version


def columns(tenant: Tenant, table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND NOT attisdropped",
            [f'"{tenant.schema_name}".{table}'],
        )
        return {name for (name,) in cursor.fetchall()}
