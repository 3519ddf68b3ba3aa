"""From a question to its recorded answer, top to bottom. Each stage is a span.

No database connection is held while an embedder or a model is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from ragadmin.errors import RagadminError
from retrieval.events import AnswerDone, AnswerFailed, CitationsFound, StageStarted, TokenAdded
from retrieval.providers import extractive
from retrieval.providers.embedders import get_embedder
from retrieval.query import pricing, routing
from retrieval.query.citations import CitationFilter, cite
from retrieval.query.clock import Clock
from retrieval.query.generate import Found, generate
from retrieval.query.record import Outcome, begin_trace, finish_trace
from retrieval.query.request import SearchRequest
from retrieval.query.search import search
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    import numpy as np

    from retrieval.events import AnswerEvent
    from retrieval.query.request import AnswerRequest
    from retrieval.types import Hit, Message
    from tenants.config import Caller


async def answer(caller: Caller, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
    """The question is stored before the first event, the trace completed before the last.

    Raises InvalidRequest, NotFound or Unavailable before anything is stored; later errors are
    recorded and end the events with AnswerFailed. Closing the iterator ends the model's request and
    records what came so far as cancelled.
    """
    routing.check_model(request.model, caller.tenant.endpoint)
    answer_id, clock, outcome = str(uuid.uuid4()), Clock(), Outcome()
    embedding = asyncio.create_task(_embed(caller, request, clock))
    try:
        with clock.span("record", what="question"):
            conversation_id, history = await begin_trace(answer_id, caller, request)
    except BaseException:
        embedding.cancel()
        raise
    error: RagadminError | None = None
    try:
        yield StageStarted("searching", answer_id, {"conversation_id": conversation_id})
        vector = await embedding
        with clock.span("search") as span:
            outcome.hits = await find(caller, _search_request(caller, request), vector)
            span.attributes["hits"] = len(outcome.hits)
        with clock.span("route") as span:
            outcome.route = routing.decide(
                request.model, caller.tenant.endpoint, request.question, len(outcome.hits)
            )
            details = {"model": outcome.route.model, "tier": outcome.route.tier}
            span.attributes.update(details)
        yield StageStarted("generating", answer_id, details)
        tokens = _tokens(caller, request, Found(outcome.hits, vector), history, outcome, clock)
        async with contextlib.aclosing(tokens):
            async for text in tokens:
                yield TokenAdded(text)
        yield CitationsFound(outcome.citations)
        outcome.status = "succeeded"
    except RagadminError as caught:
        error = caught
        outcome.error_code, outcome.error_message = caught.code, caught.message
    except (asyncio.CancelledError, GeneratorExit):
        outcome.status = "cancelled"
        raise
    except Exception:
        outcome.error_code, outcome.error_message = "internal", "Something went wrong on our side."
        raise
    finally:
        embedding.cancel()
        await _record(answer_id, caller, request, outcome, clock)
    if error is not None:
        yield AnswerFailed(error, answer_id)
    else:
        yield AnswerDone(answer_json(answer_id, conversation_id, outcome))


async def _tokens(
    caller: Caller,
    request: AnswerRequest,
    found: Found,
    history: Sequence[Message],
    outcome: Outcome,
    clock: Clock,
) -> AsyncGenerator[str, None]:
    """The checked text, kept on the outcome as it comes, so that a cut-off answer is kept too."""
    assert outcome.route is not None
    checked = CitationFilter([hit.rank for hit in found.hits])
    pieces = generate(outcome.route, caller.tenant, request, found, history)
    with clock.span("generate", model=outcome.route.model):
        async with contextlib.aclosing(pieces):
            async for delta in pieces:
                outcome.usage = delta.usage or outcome.usage
                if text := checked.feed(delta.text):
                    outcome.first_token_ms = outcome.first_token_ms or clock.now()
                    outcome.answer += text
                    yield text
    if rest := checked.finish():
        outcome.answer += rest
        yield rest
    outcome.citations = cite(checked.cited, found.hits, request.question)


async def _embed(caller: Caller, request: AnswerRequest, clock: Clock) -> np.ndarray:
    """While the question is being stored."""
    with clock.span("embed", model=caller.tenant.embedding_model):
        return await embed_question(caller, request.question)


async def embed_question(caller: Caller, question: str) -> np.ndarray:
    """One unit vector. Raises ProviderError."""
    embedder = get_embedder(caller.tenant.embedding_model)
    return (await embedder.embed_questions([question]))[0]


async def find(caller: Caller, request: SearchRequest, vector: np.ndarray) -> list[Hit]:
    async with tenant_transaction(caller.tenant) as connection:
        return await search(connection, caller, request, vector)


def answer_json(answer_id: str, conversation_id: str | None, outcome: Outcome) -> dict[str, Any]:
    """The contract's keys of POST /api/v1/answers/, and the conversation it belongs to."""
    route = outcome.route
    return {
        "id": answer_id,
        "conversation_id": conversation_id,
        "answer": outcome.answer,
        "citations": [citation.as_json() for citation in outcome.citations],
        "model": route.model if route else "",
        "tier": route.tier if route else "",
        "route_reason": route.reason if route else "",
        "cache": "none",
        "cached_at": None,
        "similarity": outcome.similarity,
        "usage": outcome.usage.as_json(),
        "cost_usd": outcome.cost.as_json(),
        "saved_usd": 0.0,
        "duration_ms": round(outcome.duration_ms, 1),
        "first_token_ms": outcome.first_token_ms and round(outcome.first_token_ms, 1),
        "spans": [span.as_json() for span in outcome.spans],
    }


def _search_request(caller: Caller, request: AnswerRequest) -> SearchRequest:
    return SearchRequest(question=request.question, top_k=request.top_k or caller.tenant.top_k)


async def _record(
    answer_id: str, caller: Caller, request: AnswerRequest, outcome: Outcome, clock: Clock
) -> None:
    """Completes the trace, also while this task is being cancelled."""
    outcome.duration_ms = clock.now()
    outcome.spans = sorted(clock.spans, key=lambda span: span.start_ms)
    generated = any(span.kind == "generate" for span in clock.spans)
    model = outcome.route.model if outcome.route and outcome.hits else ""
    if generated and model not in {"", extractive.MODEL} and not outcome.usage.input_tokens:
        outcome.usage = pricing.estimate_usage(request.question, outcome.hits, outcome.answer)
    outcome.cost = pricing.price(
        model=model,
        usage=outcome.usage,
        embedding_model=caller.tenant.embedding_model,
        question=request.question,
    )
    await asyncio.shield(asyncio.ensure_future(finish_trace(answer_id, caller, outcome)))
