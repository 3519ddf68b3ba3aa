"""Another embedding model or chunk size for a tenant: checked, estimated, begun."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction

from ragadmin.errors import ConfigurationError, InvalidRequest, ProviderError
from retrieval import tasks
from retrieval.indexing import reindex
from retrieval.indexing.reindex import ChunkSettings
from retrieval.providers.embedders import get_embedder
from tenants.indexing import register

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenants.indexing import Begin
    from tenants.models import Tenant, User

FEWEST_TOKENS, MOST_TOKENS = 50, 2000
# A vector that Postgres can store.
MOST_DIMENSIONS = 16_000
TRIED_WITH = "Which documents say this?"


def register_reindex() -> None:
    register(prepare_reindex)


def start_reindex(
    *,
    tenant: Tenant,
    actor: User | str | None,
    embedding_model: str | None = None,
    chunk_tokens: int | None = None,
    hold: bool = False,
) -> Tenant:
    """What is not named stays as it is, or as it is about to be. Not inside a transaction.
    On `hold` the new index waits, when it is complete, until somebody switches.

    Raises InvalidRequest before anything changes.
    """
    wanted = {"embedding_model": embedding_model, "chunk_tokens": chunk_tokens}
    named = {name: value for name, value in wanted.items() if value is not None}
    return prepare_reindex(tenant, named, hold=hold)(actor)


def prepare_reindex(tenant: Tenant, wanted: Mapping[str, Any], *, hold: bool = False) -> Begin:
    return partial(_begin, tenant, check_settings(tenant, wanted), hold=hold)


def check_settings(tenant: Tenant, wanted: Mapping[str, Any]) -> ChunkSettings:
    """Asks the model for a vector. Raises InvalidRequest."""
    tenant.refresh_from_db()
    model = wanted.get("embedding_model") or tenant.next_embedding_model or tenant.embedding_model
    tokens = wanted.get("chunk_tokens") or tenant.next_chunk_tokens or tenant.chunk_tokens
    if not FEWEST_TOKENS <= tokens <= MOST_TOKENS:
        raise InvalidRequest(
            f"A passage has {FEWEST_TOKENS} to {MOST_TOKENS} tokens.",
            extra={"field": "chunk_tokens"},
        )
    return ChunkSettings(model.strip(), try_model(model.strip()), tokens)


def try_model(name: str) -> int:
    """The dimension of its vectors, by one real call. Raises InvalidRequest."""
    try:
        embedder = get_embedder(name)
        dimension = embedder.embed([TRIED_WITH]).shape[1]
    except (ConfigurationError, ProviderError) as error:
        raise InvalidRequest(error.message, extra={"field": "embedding_model"}) from error
    if dimension > MOST_DIMENSIONS:
        raise InvalidRequest(
            f"Vectors of {dimension} numbers are too long: at most {MOST_DIMENSIONS} can be stored.",
            extra={"field": "embedding_model"},
        )
    return dimension


def _begin(
    tenant: Tenant, wanted: ChunkSettings, actor: User | str | None, *, hold: bool
) -> Tenant:
    row = reindex.begin(tenant, wanted, actor, hold=hold)
    if row.next_generation is not None:
        transaction.on_commit(partial(tasks.hint_reindex, row))
    return row
