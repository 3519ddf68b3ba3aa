"""Tenant schemas: compiled once from the migrations, then made in one round trip each."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connections

from ragadmin.errors import ConfigurationError
from ragadmin.installation import derive_secret, runtime_role
from tenants.compiled import compiled_migrations
from tenants.tables import AS_NOBODY

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper

POOL_LOCK = 0x706F
LEAKPROOF = (
    "arrayoverlap(anyarray, anyarray)",
    "numeric_gt(numeric, numeric)",
    "numeric_ge(numeric, numeric)",
)
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
        # A plan for any tenant would have to look at every partition; one for this tenant looks at one.
        cursor.execute(f'ALTER ROLE "{role}" SET plan_cache_mode = force_custom_plan')
        cursor.execute(f'GRANT USAGE ON SCHEMA public, extensions TO "{role}"')
        cursor.execute(
            f'ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{role}"'
        )
        cursor.execute(f'ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO "{role}"')
        _let_indexes_work_under_row_security(cursor)
    owner().close()


def _check_pgvector(cursor: CursorWrapper) -> None:
    cursor.execute(
        "SELECT extversion, extnamespace::regnamespace::text FROM pg_extension"
        " WHERE extname = 'vector'"
    )
    found = cursor.fetchone()
    assert found
    version, place = found
    if place != "extensions":
        raise ConfigurationError(
            f"pgvector is in the schema {place}; ragadmin looks for it in extensions: "
            "ALTER EXTENSION vector SET SCHEMA extensions."
        )
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_PGVECTOR:
        raise ConfigurationError(
            f"The database has pgvector {version}; ragadmin needs 0.7 or newer: "
            "update it with ALTER EXTENSION vector UPDATE."
        )


def _let_indexes_work_under_row_security(cursor: CursorWrapper) -> None:
    """Row-level security keeps an index from being used through an operator that is not leakproof.

    Array overlap on integers and comparing amounts of money reveal nothing of the rows they reject.
    Only a superuser may say so; without, keyword search and the list of traces give the same answers
    by reading the tenant's rows.
    """
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if cursor.fetchone()[0]:
        for function in LEAKPROOF:
            cursor.execute(f"ALTER FUNCTION pg_catalog.{function} LEAKPROOF")


@lru_cache(maxsize=1)
def compiled_schema() -> tuple[str, str]:
    """The SQL of all tenant tables, and the name of the migration it ends with."""
    migrations = compiled_migrations()
    return "\n".join(migration.sql for migration in migrations), migrations[-1].name


def create_schema(cursor: CursorWrapper, name: str) -> None:
    """Makes a schema with every tenant table, owned by the owner, usable by the runtime role.

    In the caller's transaction.
    """
    sql, version = compiled_schema()
    role = runtime_role(owner().settings_dict["NAME"])
    cursor.execute(
        f"{AS_NOBODY}"
        f'CREATE SCHEMA "{name}";'
        f'SET LOCAL search_path = "{name}", extensions;'
        f'GRANT USAGE ON SCHEMA "{name}" TO "{role}";'
        f"{sql}"
        "SET LOCAL search_path = public, extensions"
    )
    cursor.execute(
        "INSERT INTO tenants_schemaversion (schema_name, version) VALUES (%s, %s)", [name, version]
    )


def ensure_pool(cursor: CursorWrapper, name: str, *, default_partition: bool = True) -> None:
    """Makes a schema that many tenants share, unless it is there."""
    cursor.execute("SELECT 1 FROM public.tenants_schemaversion WHERE schema_name = %s", [name])
    if cursor.fetchone():
        return
    # Two at once: the second waits here, and finds it made.
    cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [POOL_LOCK])
    cursor.execute("SELECT 1 FROM public.tenants_schemaversion WHERE schema_name = %s", [name])
    if cursor.fetchone():
        return
    create_schema(cursor, name)
    if not default_partition:
        cursor.execute(f'DROP TABLE "{name}".retrieval_chunk_default')


def drop_schema(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    cursor.execute("DELETE FROM public.tenants_schemaversion WHERE schema_name = %s", [name])
