"""What an isolation level decides: in which schema a tenant's rows are, and what it takes to begin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from tenants.tables import tenant_tables

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.context import TenantLike


class Isolation(ABC):
    """Works on the owner's cursor, inside the caller's transaction."""

    level: ClassVar[str]
    is_pool: ClassVar[bool] = True

    @abstractmethod
    def schema_name(self, slug: str) -> str: ...

    @abstractmethod
    def provision(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        """Makes what the tenant's rows need to be stored."""

    def ensure(self, cursor: CursorWrapper) -> None:  # noqa: B027 - only pools have one
        """Makes the pool, in a short transaction of its own: everybody waits for it."""

    def prepare(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        """For a long transaction: provision without what others would wait for, until `attach`."""
        self.provision(cursor, tenant)

    def attach(self, cursor: CursorWrapper, tenant: TenantLike) -> None:  # noqa: B027 - partitions
        """Completes `prepare`, as the last thing before the transaction ends."""

    def drop_own(self, cursor: CursorWrapper, tenant: TenantLike) -> None:  # noqa: B027 - as above
        """Drops at once what only this tenant's rows are in; what it shares with others stays."""

    def chunk_table(self, tenant: TenantLike) -> str:
        """The table, or partition, that the tenant's chunks are in."""
        return f'"{tenant.schema_name}".retrieval_chunk_default'

    @abstractmethod
    def remove(self, cursor: CursorWrapper, tenant: TenantLike) -> None:
        """Removes every row of the tenant, and what provision made."""


def delete_rows(cursor: CursorWrapper, tenant: TenantLike) -> None:
    """From a schema that others share, the referring tables first."""
    cursor.execute("SELECT set_config('ragadmin.tenant_id', %s, true)", [str(tenant.id)])
    for table in reversed(tenant_tables()):
        cursor.execute(
            f'DELETE FROM "{tenant.schema_name}".{table} WHERE tenant_id = %s',  # noqa: S608
            [tenant.id],
        )
