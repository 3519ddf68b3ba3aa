"""The tenant in force, for code that goes through the ORM.

The tenant lives exactly as long as a transaction: `SET LOCAL` sets the search path and the id that
row-level security compares, so a connection given back to a pool (PgBouncer's too) carries nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from django.db import connection, transaction
from structlog.contextvars import bound_contextvars

from ragadmin.errors import TenantNotSet

if TYPE_CHECKING:
    from collections.abc import Iterator

# public after the tenant's own schema: no name stands in both, and pages read people from public.
SEARCH_PATH = '"{schema}", public, extensions'


class TenantLike(Protocol):
    """What it takes to enter a tenant: the Tenant model and TenantConfig both have it."""

    @property
    def id(self) -> int: ...
    @property
    def slug(self) -> str: ...
    @property
    def schema_name(self) -> str: ...


_current: ContextVar[TenantLike | None] = ContextVar("current_tenant", default=None)


def current_tenant() -> TenantLike:
    """The tenant in force. Raises TenantNotSet when there is none."""
    tenant = _current.get()
    if tenant is None:
        raise TenantNotSet
    return tenant


@contextmanager
def tenant_context(tenant: TenantLike) -> Iterator[None]:
    """Puts `tenant` in force for the ORM inside one transaction.

    Entering the same tenant again is allowed (a savepoint); another one is refused, because rows
    of two tenants must never meet in one transaction.
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
                _set_local(tenant)
            yield
    finally:
        _current.reset(token)


def _set_local(tenant: TenantLike) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('search_path', %s, true), set_config('ragadmin.tenant_id', %s, true)",
            [SEARCH_PATH.format(schema=tenant.schema_name), str(tenant.id)],
        )
