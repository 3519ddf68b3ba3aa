"""From a question to the passages that the model is shown: the same path for answers, for searches
and for the proof of a cached answer. No chat model is asked here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval.query.clock import Clock
from retrieval.query.context import Context
from retrieval.query.embed import question_vector
from retrieval.query.request import SearchRequest
from retrieval.query.run import Dropped
from retrieval.query.search import search
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from retrieval.query.run import Run
    from retrieval.types import Hit
    from tenants.config import Caller

FEWER_PASSAGES = "fewer_passages"


async def retrieve(run: Run) -> None:
    """Sets the outcome's hits, and by the way what they cost. Raises ProviderError, Unavailable."""
    vector = await question_vector(run)
    context = await find_context(
        run.caller, search_request(run), run.question, vector, run.rewrites, clock=run.clock
    )
    outcome = run.outcome
    outcome.hits, outcome.dropped = context.hits, context.dropped
    outcome.saved_tokens += context.saved_tokens
    outcome.calls += context.calls
    run.corpus_revision = context.corpus_revision
    for part in context.degraded:
        run.note_degraded(part)


def search_request(run: Run) -> SearchRequest:
    """What an answer searches for. With little left of the budget, half as many passages."""
    tenant = run.caller.tenant
    top_k = run.request.top_k or tenant.top_k
    if run.purse.step == FEWER_PASSAGES:
        top_k = min(top_k, max(2, top_k // 2))
    return SearchRequest(
        question=run.question,
        top_k=top_k,
        mode=tenant.query.search_mode,  # pyright: ignore[reportArgumentType]
        filters=run.request.filters,
    )


async def find_context(
    caller: Caller,
    request: SearchRequest,
    question: str,
    vector: np.ndarray,
    rewrites: Sequence[str] = (),
    *,
    clock: Clock | None = None,
) -> Context:
    """The same for the same documents, settings, levels, question and rewrites.

    Raises ProviderError, Unavailable. Stages are spans of `clock`.
    """
    clock = clock or Clock()
    wanted = replace(request, question=question)
    with clock.span("search") as span:
        async with tenant_transaction(caller.tenant) as connection:
            found = await search(connection, caller, wanted, vector)
            revision = connection.corpus_revision
        span.attributes["hits"] = len(found)
    hits, dropped = _choose(found, request.top_k)
    return Context(hits, dropped, revision)


async def find(caller: Caller, request: SearchRequest, vector: np.ndarray) -> list[Hit]:
    return list((await find_context(caller, request, request.question, vector)).hits)


def _choose(found: Sequence[Hit], top_k: int) -> tuple[tuple[Hit, ...], tuple[Dropped, ...]]:
    hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(found[:top_k], start=1))
    return hits, tuple(Dropped(hit, "ranked_out") for hit in found[top_k:])
