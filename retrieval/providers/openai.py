"""Any OpenAI-compatible chat endpoint, through the openai client over aiohttp.

The stream is read raw: the client builds several objects a token, which costs more CPU than all the
rest of an answer, and only the text and the usage are wanted here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from ragadmin.errors import ProviderError
from retrieval.providers.base import Delta
from retrieval.providers.openai_errors import Endpoint, told_plainly
from retrieval.types import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from retrieval.types import Message

CONNECT_SECONDS = 5.0
# The longest silence: before the first token, and between two.
SILENCE_SECONDS = 60.0
MOST_CONNECTIONS = 4_000
# A line of a stream is a few hundred bytes; one this long is not from a chat endpoint.
LONGEST_LINE = 1_000_000


class OpenAIChat:
    """One endpoint, one connection pool. `close` when the event loop ends."""

    def __init__(
        self, *, base_url: str, api_key: str, silence_seconds: float = SILENCE_SECONDS
    ) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=base_url or None,
            api_key=api_key or "none",
            max_retries=1,
            timeout=openai.Timeout(silence_seconds, connect=CONNECT_SECONDS),
            http_client=openai.DefaultAioHttpClient(
                limits=httpx2.Limits(
                    max_connections=MOST_CONNECTIONS, max_keepalive_connections=100
                )
            ),
        )

    async def close(self) -> None:
        await self._client.close()

    async def stream(
        self, *, model: str, messages: Sequence[Message], max_tokens: int
    ) -> AsyncGenerator[Delta, None]:
        """The answer piece by piece; the last pieces carry the finish reason and the usage.

        Raises ProviderError: model_unreachable, model_timeout, model_error, model_invalid, or
        model_interrupted when the endpoint stops before it said that it was done.
        """
        with told_plainly(_described(model)):
            async with self._client.chat.completions.with_streaming_response.create(
                model=model,
                # In extra_body, because the client walks through `messages` at 2 ms an answer.
                messages=[],
                extra_body={
                    "messages": [{"role": m.role, "content": m.content} for m in messages],
                    "max_tokens": max_tokens,
                    "stream": True,
                    "stream_options": {"include_usage": True},
                },
            ) as response:
                finished = False
                async for data in _events(response.iter_bytes()):
                    delta = _delta(data)
                    finished = finished or delta.finish_reason is not None
                    yield delta
        if not finished:
            raise ProviderError(
                f"The model {model} stopped in the middle of its answer: ask again.",
                code="model_interrupted",
            )


async def _events(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The `data:` payloads of a server-sent event stream, up to `[DONE]`."""
    buffer = b""
    async for piece in pieces:
        buffer += piece
        *lines, buffer = buffer.split(b"\n")
        if len(buffer) > LONGEST_LINE:
            raise ValueError("line too long")
        for line in lines:
            text = line.strip()
            if not text or text.startswith((b":", b"event:", b"id:", b"retry:")):
                continue
            if not text.startswith(b"data:"):
                raise ValueError("not an event stream")
            payload = text[5:].strip()
            if payload == b"[DONE]":
                return
            yield payload
    if buffer.strip() and not buffer.lstrip().startswith(b"data:"):
        raise ValueError("not an event stream")


def _delta(data: bytes) -> Delta:
    """Raises ValueError, KeyError, TypeError or AttributeError for what is not a chat chunk."""
    chunk: dict[str, Any] = json.loads(data)
    if "error" in chunk:
        error = chunk["error"]
        text = error.get("message") if isinstance(error, dict) else error
        raise ProviderError(f"The model endpoint reported: {str(text)[:300]}")
    usage = chunk.get("usage")
    counted = Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"])) if usage else None
    choices = chunk["choices"] if "choices" in chunk or not usage else []
    if not choices:
        return Delta(usage=counted)
    choice = choices[0]
    return Delta(
        text=(choice.get("delta") or {}).get("content") or "",
        usage=counted,
        finish_reason=choice.get("finish_reason"),
    )


def _described(model: str) -> Endpoint:
    return Endpoint(
        subject=f"The model {model}",
        address="its address on the Models page",
        credential="its API key on the Models page",
        expected="a chat completion",
    )
