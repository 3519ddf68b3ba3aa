"""The answer's text, from a model or from the passages themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.providers import extractive
from retrieval.providers.base import Delta
from retrieval.providers.embedders import get_embedder
from retrieval.providers.openai import OpenAIChat
from retrieval.providers.per_loop import PerLoop
from retrieval.query.pricing import FREE_EMBEDDERS
from retrieval.query.prompt import build_messages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    import numpy as np

    from retrieval.query.request import AnswerRequest
    from retrieval.types import Hit, Message, RouteDecision
    from tenants.config import ModelEndpoint, TenantConfig

NOTHING_FOUND = "The documents you may read hold nothing near enough to this question to answer it."


@dataclass(frozen=True, slots=True)
class Found:
    """The hits, and the question's unit vector that found them."""

    hits: Sequence[Hit]
    vector: np.ndarray


_clients: PerLoop[dict[tuple[str, str], OpenAIChat]] = PerLoop(dict)


def generate(
    route: RouteDecision,
    tenant: TenantConfig,
    request: AnswerRequest,
    found: Found,
    history: Sequence[Message],
) -> AsyncGenerator[Delta, None]:
    """Pieces of the answer with its citations as `[n]`. Raises ProviderError while it is read."""
    if not found.hits:
        return _say(NOTHING_FOUND)
    if route.model == extractive.MODEL or tenant.endpoint is None:
        return _quote(tenant, request.question, found)
    messages = build_messages(request.question, found.hits, history)
    # The model's own stream, because every layer more is paid for with each token.
    return chat_client(tenant.endpoint).stream(
        model=route.model, messages=messages, max_tokens=request.max_tokens
    )


async def _say(text: str) -> AsyncGenerator[Delta, None]:
    yield Delta(text, finish_reason="stop")


async def _quote(tenant: TenantConfig, question: str, found: Found) -> AsyncGenerator[Delta, None]:
    for place, quote in enumerate(await choose_quotes(tenant, question, found)):
        yield Delta(("\n\n" if place else "") + f"“{quote.text}” [{quote.n}]")


async def choose_quotes(
    tenant: TenantConfig, question: str, found: Found
) -> list[extractive.Quote]:
    """By words, and by meaning too where embedding a sentence costs nothing."""
    quotes = extractive.candidates(question, found.hits)
    if not tenant.embedding_model.startswith(FREE_EMBEDDERS):
        return extractive.choose(quotes)
    embedder = get_embedder(tenant.embedding_model)
    vectors = await embedder.embed_questions([quote.text for quote in quotes])
    return extractive.choose(quotes, vectors @ found.vector)


def chat_client(endpoint: ModelEndpoint) -> OpenAIChat:
    """This event loop's client of the endpoint; its connections are kept between questions."""
    clients, key = _clients.get(), (endpoint.base_url, endpoint.api_key)
    if key not in clients:
        clients[key] = OpenAIChat(base_url=endpoint.base_url, api_key=endpoint.api_key)
    return clients[key]


async def close_clients() -> None:
    """Closes this event loop's clients."""
    for client in (_clients.forget() or {}).values():
        await client.close()
