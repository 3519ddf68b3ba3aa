"""The async connection pool of the hot path, and the tenant in force on it.

The twin of tenants.context: the same settings inside a transaction, so a connection goes back to
the pool with nothing on it. Take one for a query, never while waiting on a model.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from django.conf import settings
from psycopg import AsyncClientCursor, AsyncConnection, OperationalError, sql
from psycopg.errors import UndefinedTable
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ragadmin.errors import SchemaMissing, TenantGone, TenantNotSet, Unavailable
from tenants.context import LACKS_TABLES, TENANT_LOCK, lacks_tables_values
from tenants.recycling import note_tenant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from tenants.config import TenantConfig

    Statement = tuple[sql.SQL | sql.Composed, Mapping[str, Any]]


class Connection(AsyncConnection[DictRow]):
    """`corpus_revision`: of the tenant in force, as this transaction found it."""

    corpus_revision: int = -1


WAIT_SECONDS = 10.0
BEGIN = sql.SQL(
    "BEGIN;"
    "SELECT pg_advisory_xact_lock_shared({lock}, {id});"
    "SELECT set_config('search_path', quote_ident(schema_name) || ', extensions', true),"
    " set_config('ragadmin.tenant_id', id::text, true), isolation, corpus_revision"
    " FROM public.tenants_tenant WHERE id = {id}"
)

# BEGIN and the lock give theirs before the tenant's row.
SETS_BEFORE_ROW = 2
IS_THERE = "SELECT 1 FROM public.tenants_tenant WHERE id = %s"

_pools: dict[asyncio.AbstractEventLoop, AsyncConnectionPool[Connection]] = {}


async def open_pool(size: int | None = None) -> AsyncConnectionPool[Connection]:
    """Opens this event loop's pool. Does not wait for the database: questions say if it is away."""
    values = settings.DATABASES["default"]
    most: int = size or settings.QUERY_CONNECTIONS
    pool = AsyncConnectionPool(
        kwargs={
            "host": values["HOST"],
            "port": values["PORT"],
            "dbname": values["NAME"],
            "user": values["USER"],
            "password": values["PASSWORD"],
            "connect_timeout": 5,
            "row_factory": dict_row,
            "autocommit": True,
            # A prepared statement belongs to a session, which PgBouncer lends for a transaction.
            "prepare_threshold": None,
        },
        connection_class=Connection,
        min_size=min(2, most),
        max_size=most,
        timeout=WAIT_SECONDS,
        open=False,
        name="query",
    )
    await pool.open()
    _pools[asyncio.get_running_loop()] = pool
    return pool


async def close_pool() -> None:
    pool = _pools.pop(asyncio.get_running_loop(), None)
    if pool is not None:
        await pool.close()


@asynccontextmanager
async def public_connection() -> AsyncIterator[Connection]:
    """A connection that sees the public schema only. Raises Unavailable."""
    pool = _pools.get(asyncio.get_running_loop()) or await open_pool()
    try:
        async with pool.connection() as connection:
            yield connection
    except (PoolTimeout, OperationalError) as error:
        raise Unavailable(
            "The database cannot be reached just now: try again in a few seconds.",
            code="database_unavailable",
        ) from error


@asynccontextmanager
async def tenant_transaction(tenant: TenantConfig | None) -> AsyncIterator[Connection]:
    """One transaction with `tenant` in force, wherever its tables are by now.

    Raises TenantNotSet, SchemaMissing, Unavailable.
    """
    if tenant is None:
        raise TenantNotSet
    async with public_connection() as connection:
        try:
            await _enter(connection, tenant)
            yield connection
        except BaseException as error:
            if not connection.closed:
                await asyncio.shield(connection.execute("ROLLBACK"))
            if isinstance(error, UndefinedTable) and await _lacks_tables(connection, tenant):
                raise SchemaMissing(tenant.slug, tenant.schema_name) from error
            raise
        await connection.execute("COMMIT")


async def write_at_once(tenant: TenantConfig, statements: Sequence[Statement]) -> None:
    """Statements that give nothing back, in a transaction of their own and one message.

    A message each would cost as much again as the writing. Raises as tenant_transaction does.
    """
    async with public_connection() as connection:
        try:
            await _enter(connection, tenant, *_bound(connection, statements), "COMMIT")
        except BaseException as error:
            if not connection.closed:
                await asyncio.shield(connection.execute("ROLLBACK"))
            if isinstance(error, UndefinedTable):
                await _explain(connection, tenant, error)
            raise


async def send_at_once(connection: Connection, statements: Sequence[Statement]) -> None:
    """The same inside a transaction that goes on."""
    message = ";".join(_bound(connection, statements))
    await connection.execute(sql.SQL(message))  # pyright: ignore[reportArgumentType]


def _bound(connection: Connection, statements: Sequence[Statement]) -> list[str]:
    """With their values in the text, as several statements cannot take parameters."""
    cursor = AsyncClientCursor(connection)
    return [cursor.mogrify(statement, values) for statement, values in statements]


async def _explain(connection: Connection, tenant: TenantConfig, error: UndefinedTable) -> None:
    """Raises TenantGone, or SchemaMissing if it is the tenant's own table that was not found."""
    row = await (await connection.execute(IS_THERE, [tenant.id])).fetchone()
    if row is None:
        raise _gone(tenant) from error
    if await _lacks_tables(connection, tenant):
        raise SchemaMissing(tenant.slug, tenant.schema_name) from error


async def _enter(connection: Connection, tenant: TenantConfig, *more: str) -> None:
    """As tenants.context does, in one round trip: several statements cannot take parameters."""
    begin = BEGIN.format(lock=sql.Literal(TENANT_LOCK), id=sql.Literal(tenant.id))
    message = ";".join([begin.as_string(connection), *more])
    cursor = await connection.execute(sql.SQL(message))  # pyright: ignore[reportArgumentType]
    for _ in range(SETS_BEFORE_ROW):
        cursor.nextset()
    row = await cursor.fetchone()
    if row is None:
        raise _gone(tenant)
    connection.corpus_revision = row["corpus_revision"]
    note_tenant(connection, tenant.id, row["isolation"])


def _gone(tenant: TenantConfig) -> TenantGone:
    return TenantGone(f"The tenant {tenant.slug} is not there any more.")


async def _lacks_tables(connection: Connection, tenant: TenantConfig) -> bool:
    cursor = await connection.execute(LACKS_TABLES, lacks_tables_values(tenant))
    row = await cursor.fetchone()
    return bool(row and row["lacks_tables"])


def pool_statistics() -> dict[str, Any]:
    """Of this event loop's pool: size, idle connections, waiting requests."""
    pool = _pools.get(asyncio.get_running_loop())
    return dict(pool.get_stats()) if pool else {}
