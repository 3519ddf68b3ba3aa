"""This event loop's clients of the chat endpoints; their connections are kept between questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.providers.openai import OpenAIChat
from retrieval.providers.per_loop import PerLoop

if TYPE_CHECKING:
    from tenants.config import ModelEndpoint

_clients: PerLoop[dict[tuple[str, str], OpenAIChat]] = PerLoop(dict)


def chat_client(endpoint: ModelEndpoint) -> OpenAIChat:
    clients, key = _clients.get(), (endpoint.base_url, endpoint.api_key)
    if key not in clients:
        clients[key] = OpenAIChat(base_url=endpoint.base_url, api_key=endpoint.api_key)
    return clients[key]


async def close_clients() -> None:
    """Closes this event loop's clients."""
    for client in (_clients.forget() or {}).values():
        await client.close()
