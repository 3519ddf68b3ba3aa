"""The answer's text, from a model or from the passages themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.providers import extractive
from retrieval.providers.base import Delta
from retrieval.providers.openai import OpenAIChat
from retrieval.providers.per_loop import PerLoop
from retrieval.query.prompt import build_messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from retrieval.query.request import AnswerRequest
    from retrieval.types import Hit, Message, RouteDecision
    from tenants.config import ModelEndpoint

NOTHING_FOUND = "The documents you may read hold nothing near enough to this question to answer it."

_clients: PerLoop[dict[tuple[str, str], OpenAIChat]] = PerLoop(dict)


async def generate(
    route: RouteDecision,
    endpoint: ModelEndpoint | None,
    request: AnswerRequest,
    hits: Sequence[Hit],
    history: Sequence[Message],
) -> AsyncIterator[Delta]:
    """Pieces of the answer with its citations as `[n]`. Raises ProviderError."""
    if not hits:
        yield Delta(NOTHING_FOUND, finish_reason="stop")
    elif route.model == extractive.MODEL or endpoint is None:
        for delta in quote(request.question, hits):
            yield delta
    else:
        messages = build_messages(request.question, hits, history)
        stream = chat_client(endpoint).stream(
            model=route.model, messages=messages, max_tokens=request.max_tokens
        )
        try:
            async for delta in stream:
                yield delta
        finally:
            await stream.aclose()


def quote(question: str, hits: Sequence[Hit]) -> list[Delta]:
    quotes = extractive.best_sentences(question, hits)
    return [
        Delta(("\n\n" if place else "") + f"“{quote.text}” [{quote.n}]")
        for place, quote in enumerate(quotes)
    ]


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
