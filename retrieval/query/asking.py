"""One model asked once, or twice where the line was bad; its breaker learns how it went."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragadmin.errors import ProviderError
from retrieval.query import breaker
from retrieval.query.clients import chat_client
from retrieval.query.pricing import estimate_usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from retrieval.providers.base import Delta
    from retrieval.query.routing import Choice
    from retrieval.types import Message, Usage

AGAIN_AFTER_SECONDS = 0.2
# It had the request, and we were the ones who left.
LEFT_WAITING = "model_timeout"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent, to whichever model."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    first_token_seconds: float = 20.0


@dataclass(slots=True)
class Reply:
    """A model that has begun to answer: its first piece, and the rest as it comes."""

    choice: Choice
    first: Delta
    rest: AsyncGenerator[Delta, None]


async def ask(choice: Choice, prompt: Prompt) -> Reply:
    """Returns with the first text. Raises ProviderError, with the usage that is charged all the same."""
    try:
        reply = await _ask_twice(choice, prompt)
    except ProviderError as error:
        if error.code == LEFT_WAITING:
            error.usage = estimate_usage(prompt.messages, "")
        breaker.note_failure(choice, error)
        raise
    except BaseException:
        breaker.note_abandoned(choice)
        raise
    breaker.note_first_token(choice)
    return reply


async def ask_whole(choice: Choice, prompt: Prompt) -> tuple[str, Usage | None]:
    """The whole answer, for what is short and not shown. Raises ProviderError."""
    reply = await ask(choice, prompt)
    text, usage = reply.first.text, reply.first.usage
    try:
        async with contextlib.aclosing(reply.rest) as rest:
            async for delta in rest:
                text, usage = text + delta.text, delta.usage or usage
    except ProviderError as error:
        error.usage = usage or estimate_usage(prompt.messages, text)
        breaker.note_failure(choice, error)
        raise
    breaker.note_success(choice)
    return text, usage


async def _ask_twice(choice: Choice, prompt: Prompt) -> Reply:
    try:
        return await _ask_once(choice, prompt)
    except ProviderError as error:
        if not _is_passing(error):
            raise
    await asyncio.sleep(AGAIN_AFTER_SECONDS)
    return await _ask_once(choice, prompt)


async def _ask_once(choice: Choice, prompt: Prompt) -> Reply:
    pieces = chat_client(choice.endpoint).stream(
        model=choice.model,
        messages=prompt.messages,
        max_tokens=prompt.max_tokens,
        temperature=prompt.temperature,
        stop=prompt.stop,
        first_token_seconds=prompt.first_token_seconds,
    )
    first = await anext(pieces)
    if not first.text and not prompt.stop:
        error = ProviderError(
            f"The model {choice.model} answered with nothing: ask again, or choose another model.",
            code="model_invalid",
        )
        # It may have thought for as long as it was allowed to.
        error.usage = first.usage or estimate_usage(prompt.messages, "")
        raise error
    return Reply(choice, first, pieces)


def _is_passing(error: ProviderError) -> bool:
    """A broken connection or a server's own trouble: the same again may work. Silence would cost as
    long again, and a rate limit only gets worse."""
    status = error.extra.get("upstream_status", 0)
    return error.code == "model_unreachable" or status in {500, 502, 503, 504}
