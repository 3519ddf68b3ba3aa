"""Where a tenant's rows are, or shall be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Takes a tenant's part for the isolation levels, which provision and remove."""

    id: int
    slug: str
    schema_name: str
    isolation: str
