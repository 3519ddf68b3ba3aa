"""A tenant as the hot path and the workers see it: one frozen value, found without the ORM.

Looked up by key hash, session or slug with plain SQL on the async pool (tenants.resolve), and kept
until the configuration changes (tenants.revision).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """An OpenAI-compatible endpoint. `base_url` may be empty: the client's own default then."""

    name: str
    base_url: str
    api_key: str
    small_model: str
    large_model: str


@dataclass(frozen=True, slots=True)
class TenantConfig:
    id: int
    slug: str
    name: str
    schema_name: str
    status: str
    access_levels: tuple[str, ...]
    embedding_model: str
    embedding_dimension: int
    chunk_tokens: int
    top_k: int
    min_similarity: float
    corpus_revision: int
    hnsw_ef: int = 0
    generation: int = 1
    endpoint: ModelEndpoint | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a person's session or an API key, already allowed into `tenant`."""

    tenant: TenantConfig
    access_levels: tuple[str, ...]
    scopes: frozenset[str]
    label: str
    user_id: int | None = None
    api_key_id: str | None = None
