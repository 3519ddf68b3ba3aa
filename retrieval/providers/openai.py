"""Any OpenAI-compatible chat endpoint, through the openai client over aiohttp.

The stream is read raw: the client builds several objects a token, which costs more CPU than all the
rest of an answer, and only the text and the usage are wanted here.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from ragadmin.errors import ProviderError
from retrieval.providers.base import Delta
from retrieval.providers.http_client import new_http_client
from retrieval.providers.openai_errors import Endpoint, told_plainly
from retrieval.types import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from retrieval.types import Message

CONNECT_SECONDS = 5.0
# The longest silence between two tokens. Before the first one, the caller says how long.
SILENCE_SECONDS = 60.0
FIRST_TOKEN_SECONDS = 20.0
MOST_CONNECTIONS = 4_000
# A line of a stream is a few hundred bytes; one this long is not from a chat endpoint.
LONGEST_LINE = 1_000_000
# No request is so long: an endpoint that says so has miscounted.
MOST_TOKENS = 10_000_000
NOT_DATA = (b":", b"event:", b"id:", b"retry:")


class OpenAIChat:
    """One endpoint, one connection pool. `close` when the event loop ends."""

    def __init__(
        self, *, base_url: str, api_key: str, silence_seconds: float = SILENCE_SECONDS
    ) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=base_url or None,
            api_key=api_key or "none",
            # Whoever asks decides whether to ask again, or somebody else: the client would sleep for
            # as long as a rate limit says.
            max_retries=0,
            timeout=openai.Timeout(silence_seconds, connect=CONNECT_SECONDS),
            http_client=new_http_client(
                limits=httpx2.Limits(
                    max_connections=MOST_CONNECTIONS, max_keepalive_connections=100
                )
            ),
        )

    async def close(self) -> None:
        await self._client.close()

    async def stream(
        self,
        *,
        model: str,
        messages: Sequence[Message],
        max_tokens: int,
        temperature: float | None = None,
        stop: Sequence[str] = (),
        first_token_seconds: float = FIRST_TOKEN_SECONDS,
    ) -> AsyncGenerator[Delta, None]:
        """The answer piece by piece, never without text before the last; what one read brought is one
        piece. The last carries the finish reason, and the usage if the endpoint counts it.

        Raises ProviderError: model_unreachable, model_timeout, model_error, model_invalid, or
        model_interrupted when the endpoint stops before it said that it was done.
        """
        chunks = Chunks()
        with told_plainly(_described(model)):
            async with (
                asyncio.timeout(first_token_seconds) as deadline,
                self._client.chat.completions.with_streaming_response.create(
                    model=model,
                    # In extra_body, because the client walks through `messages` at 2 ms an answer.
                    messages=[],
                    extra_body=_body(messages, max_tokens, temperature, stop),
                ) as response,
            ):
                async for piece in response.iter_bytes():
                    text = chunks.read(piece)
                    if deadline.when() is not None and (text or chunks.is_thinking):
                        deadline.reschedule(None)
                    if text:
                        yield Delta(text)
                    if chunks.error is not None:
                        raise chunks.error
                    if chunks.is_done:
                        break
            chunks.check_rest()
        if not chunks.is_done and chunks.finish_reason is None:
            raise ProviderError(
                f"The model {model} stopped in the middle of its answer: ask again.",
                code="model_interrupted",
            )
        yield Delta("", chunks.usage, chunks.finish_reason or "stop")


def _body(
    messages: Sequence[Message], max_tokens: int, temperature: float | None, stop: Sequence[str]
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": m.role, "content": m.content} for m in messages],
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if temperature is not None:
        body["temperature"] = temperature
    if stop:
        body["stop"] = list(stop)
    return body


class Chunks:
    """Reads the bytes of a chat stream. What was readable before an error is not lost with it."""

    def __init__(self) -> None:
        self._rest = b""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.is_done = self.is_thinking = False
        self.error: Exception | None = None

    def read(self, piece: bytes) -> str:
        """The text that has come with `piece`."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        texts: list[str] = []
        try:
            for line in lines:
                if payload := _payload(line):
                    texts.append(self._take(payload))  # noqa: PERF401 - kept if the next one fails
            if len(self._rest) > LONGEST_LINE:
                raise ValueError("line too long")
        except (ProviderError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.error = error
        return "".join(texts)

    def check_rest(self) -> None:
        """Raises ValueError for a body that was never an event stream."""
        if not self.is_done:
            _payload(self._rest)

    def _take(self, payload: bytes) -> str:
        if payload == b"[DONE]":
            self.is_done = True
            return ""
        chunk: dict[str, Any] = json.loads(payload)
        if "error" in chunk:
            raise _reported(chunk["error"])
        usage = chunk.get("usage")
        if usage:
            self.usage = _counted(usage["prompt_tokens"], usage["completion_tokens"])
        choices = chunk["choices"] if "choices" in chunk or not usage else []
        if not choices:
            return ""
        choice = choices[0]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        delta = choice.get("delta") or {}
        # Not for the reader, but a sign of life from a model that thinks before it speaks.
        self.is_thinking = bool(delta.get("reasoning_content") or delta.get("reasoning"))
        return _whole(delta.get("content") or "")


def _whole(text: str) -> str:
    """Without what a database cannot keep: zero bytes, and halves of a character."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "")


def _counted(*tokens: float | str) -> Usage | None:
    """None for what cannot be true, so that it is estimated and not paid for, nor given back."""
    sent, made = (int(count) if isinstance(count, str) else count for count in tokens)
    if 0 <= sent <= MOST_TOKENS and 0 <= made <= MOST_TOKENS:
        return Usage(int(sent), int(made))
    return None


def _payload(line: bytes) -> bytes:
    """What follows `data:`. Raises ValueError for what is no line of an event stream."""
    text = line.strip()
    if text.startswith(b"data:"):
        return text[5:].strip()
    if text and not text.startswith(NOT_DATA):
        raise ValueError("not an event stream")
    return b""


def _reported(error: Any) -> ProviderError:
    text = error.get("message") if isinstance(error, dict) else error
    return ProviderError(f"The model endpoint reported: {str(text)[:300]}")


def _described(model: str) -> Endpoint:
    return Endpoint(
        subject=f"The model {model}",
        address="its address on the Models page",
        credential="its API key on the Models page",
        expected="a chat completion",
    )
