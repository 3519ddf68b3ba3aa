"""The answer's text, from a model or from the passages themselves, checked as it comes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from retrieval.providers import extractive
from retrieval.providers.base import Delta
from retrieval.providers.openai import OpenAIChat
from retrieval.providers.per_loop import PerLoop
from retrieval.query.citations import CitationFilter, cite
from retrieval.query.embed import embed_texts
from retrieval.query.pricing import FREE_EMBEDDERS, estimate_usage, price_call
from retrieval.query.prompt import build_messages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from retrieval.query.routing import Choice, Plan
    from retrieval.query.run import Run
    from tenants.config import ModelEndpoint

NOTHING_FOUND = "The documents you may read hold nothing near enough to this question to answer it."

_clients: PerLoop[dict[tuple[str, str], OpenAIChat]] = PerLoop(dict)


async def generate(run: Run, plan: Plan) -> AsyncGenerator[str, None]:
    """The checked text, kept on the outcome as it comes, so that a cut-off answer is kept too.

    Raises ProviderError while it is read.
    """
    outcome = run.outcome
    checked = CitationFilter([hit.rank for hit in outcome.hits])
    outcome.route = plan.decision(plan.model)
    with run.clock.span("generate", model=plan.model):
        async with contextlib.aclosing(_pieces(run, plan)) as pieces:
            async for delta in pieces:
                outcome.usage = delta.usage or outcome.usage
                if text := checked.feed(delta.text):
                    outcome.first_token_ms = outcome.first_token_ms or run.clock.now()
                    outcome.answer += text
                    yield text
    if rest := checked.finish():
        outcome.answer += rest
        yield rest
    outcome.citations = cite(checked.cited, outcome.hits, run.question)


def _pieces(run: Run, plan: Plan) -> AsyncGenerator[Delta, None]:
    if not run.outcome.hits:
        run.outcome.abstained = True
        return _say(NOTHING_FOUND)
    if not plan.choices:
        return _quote(run)
    return _ask(run, plan.choices[0])


async def _ask(run: Run, choice: Choice) -> AsyncGenerator[Delta, None]:
    messages = build_messages(run.question, run.outcome.hits, run.history)
    limit = run.request.max_tokens or run.caller.tenant.query.answer_tokens
    pieces = chat_client(choice.endpoint).stream(
        model=choice.model, messages=messages, max_tokens=limit
    )
    try:
        async with contextlib.aclosing(pieces):
            async for delta in pieces:
                yield delta
    finally:
        _book(run, choice)


def _book(run: Run, choice: Choice) -> None:
    outcome = run.outcome
    if not outcome.usage.input_tokens:
        outcome.usage = estimate_usage(run.question, outcome.hits, outcome.answer)
    provider = choice.endpoint.name
    outcome.calls.append(
        price_call(run.caller.tenant, "generation", provider, choice.model, outcome.usage)
    )


async def _say(text: str) -> AsyncGenerator[Delta, None]:
    yield Delta(text, finish_reason="stop")


async def _quote(run: Run) -> AsyncGenerator[Delta, None]:
    for place, quote in enumerate(await choose_quotes(run)):
        yield Delta(("\n\n" if place else "") + f"“{quote.text}” [{quote.n}]")


async def choose_quotes(run: Run) -> list[extractive.Quote]:
    """By words, and by meaning too where embedding a sentence costs nothing."""
    quotes = extractive.candidates(run.question, run.outcome.hits)
    if run.vector is None or not run.caller.tenant.embedding_model.startswith(FREE_EMBEDDERS):
        return extractive.choose(quotes)
    vectors = await embed_texts(run.caller, [quote.text for quote in quotes])
    return extractive.choose(quotes, vectors @ run.vector)


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
