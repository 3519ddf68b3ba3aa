"""The tenant in force, for code that goes through the ORM.

The tenant lives exactly as long as a transaction: the search path and the id that row-level security
compares are local to it, so a connection given back to a pool (PgBouncer's too) carries nothing.

Where the tenant's tables are is read from its row inside the transaction, under a shared advisory
lock: a tenant that is being moved or deleted is locked for the moment of the switch, so nobody ever
writes to a place that it has just left.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from django.apps import apps
from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from psycopg.errors import UndefinedTable
from structlog.contextvars import bound_contextvars

from ragadmin.errors import SchemaMissing, TenantGone, TenantNotSet
from tenants.recycling import has_expired, note_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenants.config import TenantConfig
    from tenants.models import Tenant

    TenantLike: TypeAlias = Tenant | TenantConfig

# The first half of the advisory lock's key; the second is the tenant's id.
TENANT_LOCK = 0x7461
LOCK = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
# public after the tenant's own schema: no name stands in both, and pages read people from public.
ENTER = """
SELECT set_config('search_path', quote_ident(schema_name) || ', public, extensions', true),
    set_config('ragadmin.tenant_id', id::text, true), isolation
FROM public.tenants_tenant WHERE id = %s
"""
# For work that is simply done again when a crash of the database takes its last half second.
ENTER_NOT_DURABLY = ENTER.replace(
    "true),\n", "true),\n    set_config('synchronous_commit', 'off', true),\n", 1
)

LACKS_TABLES = """
SELECT count(c.oid) < cardinality(%(tables)s::name[]) AS lacks_tables
FROM public.tenants_tenant tenant
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = tenant.schema_name::name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = ANY(%(tables)s::name[])
WHERE tenant.id = %(id)s
"""

_current: ContextVar[TenantLike | None] = ContextVar("current_tenant", default=None)


def current_tenant() -> TenantLike:
    """The tenant in force. Raises TenantNotSet when there is none."""
    tenant = _current.get()
    if tenant is None:
        raise TenantNotSet
    return tenant


@contextmanager
def tenant_context(tenant: TenantLike, *, durable: bool = True) -> Iterator[None]:
    """Puts `tenant` in force for the ORM inside one transaction.

    Not `durable` does not wait for the disk: a crash of the database may take the transaction, whole.

    Entering the same tenant again is allowed (a savepoint); another one is refused, because rows
    of two tenants must never meet in one transaction. Raises TenantNotSet, SchemaMissing.
    """
    outer = _current.get()
    if outer is not None and outer.id != tenant.id:
        raise TenantNotSet(
            f"Tenant {outer.slug} is in force: leave it before entering {tenant.slug}."
        )
    token = _current.set(tenant)
    try:
        with transaction.atomic(), bound_contextvars(tenant=tenant.slug):
            if outer is None:
                _set_local(tenant, durable)
            yield
    except ProgrammingError as error:
        if outer is None and isinstance(error.__cause__, UndefinedTable) and _lacks_tables(tenant):
            raise SchemaMissing(tenant.slug, tenant.schema_name) from error
        raise
    finally:
        _current.reset(token)
        if outer is None:
            _give_back_expired()


def _set_local(tenant: TenantLike, durable: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [TENANT_LOCK, tenant.id])
        cursor.execute(ENTER if durable else ENTER_NOT_DURABLY, [tenant.id])
        row = cursor.fetchone()
    if row is None:
        raise TenantGone(f"The tenant {tenant.slug} is not there any more.")
    note_tenant(connection.connection, tenant.id, row[-1])


def _give_back_expired() -> None:
    """A loop over all tenants never gives its connection back by itself."""
    session = connection.connection
    if session and has_expired(session) and not connection.in_atomic_block:
        connection.close()


def _lacks_tables(tenant: TenantLike) -> bool:
    """Asked after a table was not found: is it the tenant's schema that is gone or incomplete?"""
    with connection.cursor() as cursor:
        cursor.execute(LACKS_TABLES, lacks_tables_values(tenant))
        row = cursor.fetchone()
    return bool(row and row[0])


def lacks_tables_values(tenant: TenantLike) -> dict[str, Any]:
    models = [apps.get_app_config(label).get_models() for label in settings.TENANT_APPS]
    tables = [model._meta.db_table for found in models for model in found]  # noqa: SLF001
    return {"id": tenant.id, "tables": tables}
