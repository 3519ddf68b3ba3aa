"""What tests of moves look at: all of a tenant's rows, and what is left of it elsewhere."""

from __future__ import annotations

from django.db import connection, transaction

from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.schema import owner
from tenants.tables import tenant_tables


def contents(tenant) -> dict[str, list[str]]:
    """Every row as text, by table. Columns by name: their order is the place's own affair."""
    found = {}
    with tenant_context(tenant), connection.cursor() as cursor:
        for table in tenant_tables():
            cursor.execute(
                f"SELECT to_jsonb(t)::text FROM {table} t WHERE tenant_id = %s", [tenant.id]
            )
            found[table] = sorted(row for (row,) in cursor.fetchall())
    return found


def leftovers(tenant, *, is_gone=False) -> list[str]:
    """Tables and schemas where the tenant is not, with something of it in them; triggers; log rows."""
    found = []
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute("SELECT set_config('ragadmin.tenant_id', %s, true)", [str(tenant.id)])
        for level in LEVELS.values():
            schema = level.schema_name(tenant.slug)
            cursor.execute("SELECT to_regnamespace(%s)", [f'"{schema}"'])
            if (schema == tenant.schema_name and not is_gone) or cursor.fetchone()[0] is None:
                continue
            if not level.is_pool:
                found.append(f"schema {schema}")
            for table in tenant_tables():
                cursor.execute(
                    f'SELECT count(*) FROM "{schema}".{table} WHERE tenant_id = %s', [tenant.id]
                )
                if cursor.fetchone()[0]:
                    found.append(f"{schema}.{table}")
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'note\\_%%\\_%s'", [tenant.id]
        )
        found += [f"trigger {name}" for (name,) in cursor.fetchall()]
        if tenant.isolation != "partition" or is_gone:
            cursor.execute(
                "SELECT to_regclass(%s)", [f"pool_partition.retrieval_chunk_t{tenant.id}"]
            )
            found += [name for (name,) in cursor.fetchall() if name]
        cursor.execute("SELECT count(*) FROM tenants_rowchange WHERE tenant_id = %s", [tenant.id])
        if cursor.fetchone()[0]:
            found.append("log")
    return found
