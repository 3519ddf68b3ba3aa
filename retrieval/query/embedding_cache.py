"""Vectors of texts that were embedded before, in Redis: a tenant's own, by model and SHA-256.

A look-up takes a tenth of the CPU of the local model's run, and spares a paid one. Redis away: every
text is embedded, as if nothing were kept.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from retrieval.query import redis_store
from tenants.redis_keys import tenant_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.config import TenantConfig

SECONDS = 7 * 86_400
# As Postgres keeps them: half the bytes, and no difference to what is found.
STORED = np.dtype("<f2")


def rounded(vectors: np.ndarray) -> np.ndarray:
    """As they come back from the cache, so that the same text always searches alike."""
    return vectors.astype(STORED).astype(np.float32)


async def look_up(tenant: TenantConfig, texts: Sequence[str]) -> list[np.ndarray | None]:
    """In the order of the texts, in one round trip. None for what is not kept."""
    found = await redis_store.get_many([_key(tenant, text) for text in texts])
    size = tenant.embedding_dimension * STORED.itemsize
    return [
        np.frombuffer(value, STORED).astype(np.float32) if value and len(value) == size else None
        for value in found
    ]


async def keep(tenant: TenantConfig, texts: Sequence[str], vectors: np.ndarray) -> None:
    values = {
        _key(tenant, text): vector.astype(STORED).tobytes()
        for text, vector in zip(texts, vectors, strict=True)
    }
    await redis_store.set_many(values, SECONDS)


def _key(tenant: TenantConfig, text: str) -> str:
    digest = hashlib.sha256(f"{tenant.embedding_model}\0{text}".encode()).hexdigest()
    return tenant_key(tenant.id, f"embedding:{digest}")
