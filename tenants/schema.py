"""Tenant schemas: compiled once from the migrations, then made in one round trip each."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader

from ragadmin.errors import ConfigurationError
from ragadmin.installation import derive_secret, runtime_role
from tenants.routers import compiling_tenant_schema

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

OLDEST_PGVECTOR = (0, 7)  # the first with halfvec and sparsevec


def owner() -> BaseDatabaseWrapper:
    return connections["owner"]


def prepare_database() -> None:
    """Makes the extension, the runtime role and its default rights. Safe to repeat."""
    database = owner().settings_dict["NAME"]
    role = runtime_role(database)
    password = derive_secret(f"database role {role}", settings.SECRET_KEY)
    with owner().cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS extensions")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA extensions")
        _check_pgvector(cursor)
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        # The role's name and a hex digest: neither can carry a quote.
        cursor.execute(
            f"{verb} ROLE \"{role}\" LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{password}'"
        )
        cursor.execute(f'GRANT USAGE ON SCHEMA public, extensions TO "{role}"')
        cursor.execute(
            f'ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{role}"'
        )
        cursor.execute(f'ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO "{role}"')
        _let_term_index_work_under_row_security(cursor)
    owner().close()


def _check_pgvector(cursor) -> None:  # noqa: ANN001
    cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    version = cursor.fetchone()[0]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_PGVECTOR:
        raise ConfigurationError(
            f"The database has pgvector {version}; ragadmin needs 0.7 or newer: "
            "update it with ALTER EXTENSION vector UPDATE."
        )


def _let_term_index_work_under_row_security(cursor) -> None:  # noqa: ANN001
    """Row-level security keeps an index from being used through an operator that is not leakproof.

    Array overlap on integers reveals nothing of the rows it rejects. Only a superuser may say so;
    without, keyword search gives the same answers by reading the tenant's rows.
    """
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if cursor.fetchone()[0]:
        cursor.execute("ALTER FUNCTION pg_catalog.arrayoverlap(anyarray, anyarray) LEAKPROOF")


@lru_cache(maxsize=1)
def compiled_schema() -> tuple[str, str]:
    """The SQL of all tenant tables, and the name of the migration it ends with."""
    with compiling_tenant_schema():
        loader = MigrationLoader(None)
        leaves = [leaf for leaf in loader.graph.leaf_nodes() if leaf[0] in settings.TENANT_APPS]
        plan = [key for leaf in leaves for key in loader.graph.forwards_plan(leaf)]
        state = loader.project_state([])
        statements: list[str] = []
        for key in plan:
            migration = loader.get_migration(*key)
            with owner().schema_editor(collect_sql=True, atomic=False) as editor:
                state = migration.apply(state, editor, collect_sql=True)
            statements += editor.collected_sql
    return "\n".join(statements), plan[-1][1]


def create_schema(schema_name: str) -> None:
    """Makes a schema with every tenant table, owned by the owner, usable by the runtime role."""
    sql, version = compiled_schema()
    role = runtime_role(owner().settings_dict["NAME"])
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute(
            f'CREATE SCHEMA "{schema_name}";'
            f'SET LOCAL search_path = "{schema_name}", extensions;'
            f'GRANT USAGE ON SCHEMA "{schema_name}" TO "{role}";'
            f"{sql}"
            "INSERT INTO public.tenants_schemaversion (schema_name, version) "
            f"VALUES ('{schema_name}', '{version}');"
            "SET LOCAL search_path = public, extensions"
        )


def drop_schema(schema_name: str) -> None:
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute(
            f'DROP SCHEMA IF EXISTS "{schema_name}" CASCADE;'
            f"DELETE FROM public.tenants_schemaversion WHERE schema_name = '{schema_name}'"
        )
