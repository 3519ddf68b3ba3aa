"""Ends a connection in time, because its Postgres backend keeps what it learned of every table.

That memory is given back only when the backend ends: some 300 kB for each tenant with tables of its
own, some 120 kB for one with a partition. A pool replaces a connection that has expired as soon as
it is given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from psycopg import BaseConnection

# Measured by benchmarks/backend_memory.py: a backend stays below 64 MB.
MOST_TENANTS = 150
# A level at which many tenants share the same tables: one more costs a backend nothing.
SHARED = "shared"

_served: WeakKeyDictionary[BaseConnection[Any], set[int]] = WeakKeyDictionary()


def note_tenant(connection: BaseConnection[Any], tenant_id: int, isolation: str) -> None:
    """Says that `connection` serves the tenant from now on; it expires with the last it may serve."""
    if isolation == SHARED:
        return
    served = _served.setdefault(connection, set())
    served.add(tenant_id)
    if len(served) >= MOST_TENANTS:
        connection._expire_at = 0.0  # noqa: SLF001 - psycopg_pool has no other way to say it


def has_expired(connection: BaseConnection[Any]) -> bool:
    return len(_served.get(connection, ())) >= MOST_TENANTS
