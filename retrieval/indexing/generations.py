"""The settings that chunks are made with. A change makes a new generation beside the one in use.

Documents are kept indexed for both until the new one is complete; then it takes over at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Generation:
    number: int
    embedding_model: str
    embedding_dimension: int
    chunk_tokens: int


def current_generation(tenant: Tenant) -> Generation:
    return Generation(
        tenant.generation,
        tenant.embedding_model,
        tenant.embedding_dimension,
        tenant.chunk_tokens,
    )


def next_generation(tenant: Tenant) -> Generation | None:
    """The one being made, if there is one."""
    if tenant.next_generation is None:
        return None
    assert tenant.next_embedding_dimension and tenant.next_chunk_tokens
    return Generation(
        tenant.next_generation,
        tenant.next_embedding_model,
        tenant.next_embedding_dimension,
        tenant.next_chunk_tokens,
    )


def generations(tenant: Tenant) -> list[Generation]:
    """Those that a document has to be indexed for."""
    following = next_generation(tenant)
    return [current_generation(tenant), *([following] if following else [])]
