"""The isolation levels by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragadmin.errors import InvalidRequest
from tenants.isolation.partition import PartitionIsolation
from tenants.isolation.schema import SchemaIsolation
from tenants.isolation.shared import SharedIsolation

if TYPE_CHECKING:
    from tenants.isolation.base import Isolation

LEVELS: dict[str, Isolation] = {
    level.level: level for level in (SchemaIsolation(), PartitionIsolation(), SharedIsolation())
}


def isolation_of(level: str) -> Isolation:
    """Raises InvalidRequest."""
    if level not in LEVELS:
        raise InvalidRequest(
            f"Isolation is one of {', '.join(LEVELS)}.", extra={"field": "isolation"}
        )
    return LEVELS[level]
