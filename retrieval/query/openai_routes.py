"""OpenAI's chat protocol: any OpenAI client, given a tenant key, talks to the tenant's documents."""

from __future__ import annotations

import base64
import contextlib
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from ragadmin.errors import InvalidRequest, RagadminError
from retrieval.events import AnswerDone, AnswerFailed, StageStarted, TokenAdded
from retrieval.providers.embedders import get_embedder
from retrieval.query.access import asker_of, caller_of
from retrieval.query.answer import answer
from retrieval.query.body import read_json
from retrieval.query.failures import known_error
from retrieval.query.request import AnswerRequest, clean_question
from retrieval.query.routing import available_models
from retrieval.query.streams import EventStream, data_line, encode
from retrieval.types import Message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from retrieval.events import AnswerEvent

MOST_MESSAGES = 200
HISTORY_MESSAGES = 8
MOST_TOKENS = 8_192
MOST_INPUTS = 256
DONE = b"data: [DONE]\n\n"


async def list_models(request: Request) -> Response:
    caller = await caller_of(request)
    names = ["auto", *available_models(caller.tenant)]
    return JSONResponse(
        {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "created": 0, "owned_by": "ragadmin"}
                for name in names
            ],
        }
    )


async def chat_completions(request: Request) -> Response:
    caller = await asker_of(request)
    body = await read_json(request)
    asked = parse_chat(body)
    events = answer(caller, asked)
    first = await anext(events)
    assert isinstance(first, StageStarted)
    completion = Completion(first.answer_id, asked.model, str(request.base_url), caller.tenant.slug)
    if body.get("stream"):
        options = body.get("stream_options") or {}
        usage = bool(isinstance(options, dict) and options.get("include_usage"))
        return EventStream(_stream(completion, events, include_usage=usage), {})
    async with contextlib.aclosing(events):
        async for happened in events:
            if isinstance(happened, AnswerDone):
                return JSONResponse(completion.whole(happened.answer))
            if isinstance(happened, AnswerFailed):
                raise happened.error
    raise RagadminError("The answer ended without a result.")


async def embeddings(request: Request) -> Response:
    """The tenant's own embedding model behind OpenAI's route."""
    caller = await asker_of(request)
    body = await read_json(request)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
        raise InvalidRequest("input must be a text or a list of texts.", extra={"field": "input"})
    if len(texts) > MOST_INPUTS:
        raise InvalidRequest(
            f"input has {len(texts)} texts; send at most {MOST_INPUTS} at once.",
            extra={"field": "input"},
        )
    embedder = get_embedder(caller.tenant.embedding_model)
    vectors = await embedder.embed_questions(texts)
    as_text = body.get("encoding_format") == "base64"
    tokens = sum(embedder.count_tokens(text) for text in texts)
    return JSONResponse(
        {
            "object": "list",
            "model": embedder.model,
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode()
                    if as_text
                    else vector.tolist(),
                }
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def parse_chat(body: dict[str, Any]) -> AnswerRequest:
    """The last user message is the question, earlier ones the history. Raises InvalidRequest."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or len(messages) > MOST_MESSAGES:
        raise InvalidRequest(
            f"messages must be a list of 1 to {MOST_MESSAGES} messages.",
            extra={"field": "messages"},
        )
    spoken = [_spoken(message) for message in messages]
    if spoken[-1].role != "user":
        raise InvalidRequest(
            "The last message must be the user's question.", extra={"field": "messages"}
        )
    model = body.get("model") or "auto"
    if not isinstance(model, str):
        raise InvalidRequest("model must be a text.", extra={"field": "model"})
    return AnswerRequest(
        question=clean_question(spoken[-1].content, "messages"),
        model=model,
        # Instructions are the tenant's to give, not the caller's: system messages are left out.
        history=tuple(m for m in spoken[:-1] if m.role != "system")[-HISTORY_MESSAGES:],
        max_tokens=_max_tokens(body),
    )


def _max_tokens(body: dict[str, Any]) -> int | None:
    value = body.get("max_completion_tokens") or body.get("max_tokens")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
        raise InvalidRequest(
            f"max_tokens must be a whole number from 1 to {MOST_TOKENS}.",
            extra={"field": "max_tokens"},
        )
    return value


def _spoken(message: Any) -> Message:
    wrong = InvalidRequest(
        "Each message needs a role (system, developer, user or assistant) and a text content.",
        extra={"field": "messages"},
    )
    if not isinstance(message, dict):
        raise wrong
    role, content = message.get("role"), message.get("content")
    if isinstance(content, list):
        content = "\n".join(
            str(part.get("text", ""))
            for part in content
            if isinstance(part, dict) and part.get("type") == "text"
        )
    if not isinstance(content, str) or role not in {"system", "developer", "user", "assistant"}:
        raise wrong
    return Message("system" if role == "developer" else role, content)


async def _stream(
    completion: Completion, events: AsyncGenerator[AnswerEvent, None], *, include_usage: bool
) -> AsyncGenerator[bytes, None]:
    yield completion.chunk({"role": "assistant", "content": ""})
    try:
        async with contextlib.aclosing(events):
            async for happened in events:
                if isinstance(happened, TokenAdded):
                    yield completion.token(happened.text)
                elif isinstance(happened, AnswerFailed):
                    yield data_line(happened.error.as_openai_body())
                    return
                elif isinstance(happened, AnswerDone):
                    done = happened.answer
                    delta = {"annotations": completion.annotations(done)}
                    yield completion.chunk(delta, "stop", ragadmin=extension(done))
                    if include_usage:
                        yield completion.usage_chunk(done)
    except Exception as error:  # noqa: BLE001 - the last place that can tell the reader
        yield data_line(known_error(error).as_openai_body())
        return
    yield DONE


def extension(done: dict[str, Any]) -> dict[str, Any]:
    """What OpenAI's shape has no place for."""
    kept = ("cache", "cost_usd", "citations", "tier", "route_reason", "duration_ms")
    return {"answer_id": done["id"], **{name: done[name] for name in kept}}


def usage_of(done: dict[str, Any]) -> dict[str, int]:
    sent, made = done["usage"]["input_tokens"], done["usage"]["output_tokens"]
    return {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}


class Completion:
    """OpenAI's shapes of one answer."""

    def __init__(self, answer_id: str, model: str, base_url: str, slug: str) -> None:
        self.base = {"id": f"chatcmpl-{answer_id}", "created": int(time.time()), "model": model}
        self.documents_url = f"{base_url.rstrip('/')}/t/{slug}/documents"
        # All of a token's chunk but its text, encoded once.
        self._before, self._after = self.chunk({"content": "|"}).split(b"|")

    def whole(self, done: dict[str, Any]) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": done["answer"],
            "refusal": None,
            "annotations": self.annotations(done),
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {
            **self.base,
            "object": "chat.completion",
            "model": done["model"],
            "choices": [choice],
            "usage": usage_of(done),
            "ragadmin": extension(done),
        }

    def chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return data_line(
            {**self.base, "object": "chat.completion.chunk", "choices": choices, **more}
        )

    def token(self, text: str) -> bytes:
        return self._before + encode(text).encode()[1:-1] + self._after

    def usage_chunk(self, done: dict[str, Any]) -> bytes:
        body = {**self.base, "object": "chat.completion.chunk", "choices": []}
        return data_line({**body, "usage": usage_of(done)})

    def annotations(self, done: dict[str, Any]) -> list[dict[str, Any]]:
        """Where each `[n]` stands in the text, and the page of the passage it cites."""
        return [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": start,
                    "end_index": start + len(marker),
                    "title": citation["path"],
                    "url": f"{self.documents_url}/{citation['document_id']}/?chunk={citation['chunk_id']}",
                },
            }
            for citation in done["citations"]
            for marker in [f"[{citation['n']}]"]
            if (start := done["answer"].find(marker)) >= 0
        ]
