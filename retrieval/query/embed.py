"""The question's vector, made while the question is being stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import numpy as np
import structlog
from django.conf import settings

from ragadmin.errors import BudgetExceeded, ConfigurationError, ProviderError
from retrieval.providers.base import CountingEmbedder
from retrieval.providers.embedders import get_embedder
from retrieval.providers.reranker import is_own_network
from retrieval.providers.rest import Rest
from retrieval.query import embedding_cache
from retrieval.query.context import Notes, notes_of
from retrieval.query.pricing import FREE_EMBEDDERS, embeds_free, price_call
from retrieval.types import ModelCall, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.providers.base import Counted, Embedder
    from retrieval.query.run import Run
    from tenants.config import Caller, TenantConfig

log = structlog.get_logger("ragadmin.query")

# For an endpoint, its retry with it. The models in this process answer, however long the queue.
LONGEST_WAIT = 10.0


def start_embedding(run: Run) -> None:
    """Not of what may be a follow-up: that is put into other words first."""
    if not run.request.history and run.request.conversation_id is None:
        run.embedding = asyncio.create_task(_embed(run))


async def question_vector(run: Run) -> np.ndarray | None:
    """The unit vector of `run.question`; None where the embedder is away, which is noted."""
    if run.vector is None:
        task = run.embedding or asyncio.create_task(_embed(run))
        run.embedding = task
        run.vector = await task
    return run.vector


async def _embed(run: Run) -> np.ndarray | None:
    notes = notes_of(run)
    vectors = await try_to_embed(run.caller, [run.question], notes)
    if notes.saved_usd:
        run.outcome.saved["embedding"] = notes.saved_usd
    return None if vectors is None else vectors[0]


async def try_to_embed(caller: Caller, texts: Sequence[str], notes: Notes) -> np.ndarray | None:
    """As embed_texts; None where the embedder is away, or nothing may be spent on it."""
    try:
        return await embed_texts(caller, texts, notes)
    except (ProviderError, ConfigurationError, BudgetExceeded) as error:
        log.warning("embedder_failed", reason=error.code)
        notes.note_degraded("embedder")
        return None


async def embed_question(caller: Caller, question: str) -> np.ndarray:
    """One unit vector. Raises ProviderError."""
    return (await embed_texts(caller, [question]))[0]


async def embed_texts(
    caller: Caller, texts: Sequence[str], notes: Notes | None = None
) -> np.ndarray:
    """Unit vectors, float32 of shape (len(texts), dimension). Raises ProviderError,
    ConfigurationError, BudgetExceeded."""
    notes, tenant = notes or Notes(), caller.tenant
    with notes.clock.span("embed", model=tenant.embedding_model) as span:
        vectors = await embedding_cache.look_up(tenant, texts)
        missing = [n for n, vector in enumerate(vectors) if vector is None]
        span.attributes["cached"] = not missing
        if kept := [
            text for text, vector in zip(texts, vectors, strict=True) if vector is not None
        ]:
            spared = _priced(tenant, kept)
            notes.saved_usd += spared.cost_usd or Decimal(0)
            if spared.usage.input_tokens:
                span.attributes["spared_tokens"] = spared.usage.input_tokens
        if missing:
            wanted = [texts[n] for n in missing]
            made = await _make(tenant, wanted, notes)
            await embedding_cache.keep(tenant, wanted, made)
            for n, vector in zip(missing, made, strict=True):
                vectors[n] = vector
    return np.stack(cast("list[np.ndarray]", vectors))


async def _make(tenant: TenantConfig, texts: Sequence[str], notes: Notes) -> np.ndarray:
    call = _priced(tenant, texts)
    if not await notes.reserve(call.cost_usd):
        raise BudgetExceeded("The budget does not allow to embed the question.")
    embedder = get_embedder(tenant.embedding_model)
    if tenant.embedding_model.startswith(FREE_EMBEDDERS):
        vectors = await embedder.embed_questions(texts)
        if call.price:
            notes.calls.append(call)
        return embedding_cache.rounded(vectors)
    rest = _rest(tenant.embedding_model)
    if rest.is_on:
        raise ProviderError("The embedding model failed a moment ago.", code="model_unreachable")
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            vectors, counted = await _ask(embedder, texts)
    except TimeoutError:
        rest.begin()
        raise ProviderError(
            "The embedding model did not answer in time.", code="model_timeout"
        ) from None
    except ProviderError as error:
        if not error.permanent:
            rest.begin()
        raise
    if counted is not None:
        call = price_tokens(tenant, tenant.embedding_model, Usage(counted))
    notes.calls.append(call)
    return embedding_cache.rounded(vectors)


async def _ask(embedder: Embedder, texts: Sequence[str]) -> Counted:
    if isinstance(embedder, CountingEmbedder):
        return await embedder.embed_questions_counted(texts)
    return await embedder.embed_questions(texts), None


@lru_cache(maxsize=64)
def _rest(model: str) -> Rest:
    return Rest()


def forget_failures() -> None:
    """Every endpoint is asked again at once."""
    _rest.cache_clear()


def _priced(tenant: TenantConfig, texts: Sequence[str]) -> ModelCall:
    named = tenant.embedding_model
    kind, _, name = named.partition(":")
    if embeds_free(tenant):
        return ModelCall("embedding", kind, name, Usage(), Decimal(0))
    embedder = get_embedder(named)
    tokens = sum(embedder.count_tokens(text) for text in texts)
    usage = Usage(tokens, estimated=not named.startswith(FREE_EMBEDDERS))
    return price_tokens(tenant, named, usage)


def price_tokens(tenant: TenantConfig, named: str, usage: Usage) -> ModelCall:
    """Of the embedding model, as tenants name it. Free in our own network, where no price is set."""
    kind, _, name = named.partition(":")
    call = price_call(tenant, "embedding", kind, name, usage, named)
    if call.cost_usd is None and is_own_network(urlsplit(settings.OPENAI_BASE_URL).hostname or ""):
        return replace(call, cost_usd=Decimal(0))
    return call
