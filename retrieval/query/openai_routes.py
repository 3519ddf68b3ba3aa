"""OpenAI's chat protocol: any OpenAI client, given a tenant key, talks to the tenant's documents."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from ragadmin.errors import InvalidRequest, NotFound, RagadminError
from retrieval.events import AnswerDone, AnswerFailed, StageStarted, TokenAdded
from retrieval.providers.embedders import get_embedder
from retrieval.query.access import asker_of, caller_of
from retrieval.query.answer import answer
from retrieval.query.body import read_json
from retrieval.query.budget import Purse, open_purse
from retrieval.query.context import notes_of
from retrieval.query.embed import embed_texts
from retrieval.query.failures import known_error
from retrieval.query.openai_request import parse_chat, parse_inputs, wants_usage
from retrieval.query.openai_shapes import Completion, extension, finish_of, model_json
from retrieval.query.paid_apart import book_apart
from retrieval.query.pricing import embeds_free
from retrieval.query.request import AnswerRequest
from retrieval.query.routing import available_models, check_model
from retrieval.query.run import Run
from retrieval.query.streams import EventStream, data_line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    import numpy as np
    from starlette.requests import Request

    from retrieval.events import AnswerEvent
    from tenants.config import Caller, TenantConfig

DONE = b"data: [DONE]\n\n"


async def list_models(request: Request) -> Response:
    caller = await caller_of(request)
    names = ["auto", *available_models(caller.tenant)]
    return JSONResponse({"object": "list", "data": [model_json(name) for name in names]})


async def show_model(request: Request) -> Response:
    caller = await caller_of(request)
    name = request.path_params["model"]
    _check_model(name, caller.tenant)
    return JSONResponse(model_json(name))


async def chat_completions(request: Request) -> Response:
    caller = await asker_of(request)
    body = await read_json(request)
    asked = parse_chat(body)
    _check_model(asked.model, caller.tenant)
    events = answer(caller, asked)
    first = await anext(events)
    assert isinstance(first, StageStarted)
    completion = Completion(first.answer_id, asked.model, str(request.base_url), caller.tenant.slug)
    if body.get("stream"):
        return EventStream(_stream(completion, events, include_usage=wants_usage(body)), {})
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
    texts = parse_inputs(body)
    embedder = get_embedder(caller.tenant.embedding_model)
    wanted = body.get("dimensions")
    if wanted not in (None, embedder.dimension):
        raise InvalidRequest(
            f"The vectors of {embedder.model} have {embedder.dimension} dimensions, and no others.",
            extra={"field": "dimensions"},
        )
    vectors = await _embed(caller, texts)
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


async def _embed(caller: Caller, texts: Sequence[str]) -> np.ndarray:
    """Within the budget, where the model has to be paid. Raises BudgetExceeded, ProviderError."""
    purse = Purse() if embeds_free(caller.tenant) else await open_purse(caller)
    run = Run(caller, AnswerRequest(""), "", purse)
    try:
        return await embed_texts(caller, texts, notes_of(run))
    finally:
        await book_apart(run, "lookup")


def _check_model(name: str, tenant: TenantConfig) -> None:
    """Raises NotFound, as OpenAI does."""
    try:
        check_model(name, tenant)
    except InvalidRequest as error:
        raise NotFound(error.message, code=error.code, extra=error.extra) from None


async def _stream(
    completion: Completion, events: AsyncGenerator[AnswerEvent, None], *, include_usage: bool
) -> AsyncGenerator[bytes, None]:
    yield completion.chunk({"role": "assistant", "content": ""})
    try:
        async with contextlib.aclosing(events):
            async for happened in events:
                if isinstance(happened, TokenAdded):
                    yield completion.text(happened.text)
                elif isinstance(happened, AnswerFailed):
                    yield data_line(happened.error.as_openai_body())
                    return
                elif isinstance(happened, AnswerDone):
                    done = happened.answer
                    delta = {"annotations": completion.annotations(done)}
                    yield completion.chunk(delta, finish_of(done), ragadmin=extension(done))
                    if include_usage:
                        yield completion.usage_chunk(done)
    except Exception as error:  # noqa: BLE001 - the last place that can tell the reader
        yield data_line(known_error(error).as_openai_body())
        return
    yield DONE
