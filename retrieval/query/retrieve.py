"""From a question to the passages that the model is shown: the same path for answers, for searches
and for the proof of a cached answer. A chat model is asked for other wordings of the question, and
never by the proof, which has those that were searched for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval.query.compress import compress
from retrieval.query.context import Context, Notes, reserve_from
from retrieval.query.diversity import choose
from retrieval.query.embed import question_vector, try_to_embed
from retrieval.query.multi_query import expand
from retrieval.query.neighbours import with_neighbours
from retrieval.query.pricing import price_search
from retrieval.query.request import SearchRequest
from retrieval.query.rerank import rerank, rerank_count
from retrieval.query.run import Dropped
from retrieval.query.search import find_nearest
from retrieval.query.search_statement import Probe
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from retrieval.query.clock import Clock
    from retrieval.query.context import Nearest, Reserve
    from retrieval.query.run import Run
    from retrieval.types import Hit
    from tenants.config import Caller, TenantConfig
    from tenants.pool import Connection

FEWER_PASSAGES = "fewer_passages"
# Found beyond those to be shown, to take the places of copies.
SPARE = 5
# Among which maximal marginal relevance chooses.
MMR_CANDIDATES = 30


async def retrieve(run: Run) -> None:
    """Sets the outcome's hits, and by the way what they cost. Raises ProviderError, Unavailable."""
    vector = await question_vector(run)
    context = await find_in_wordings(run, search_request(run), vector)
    outcome = run.outcome
    outcome.hits, outcome.dropped = context.hits, context.dropped
    outcome.saved_tokens += context.saved_tokens
    outcome.calls += context.calls
    run.corpus_revision = context.corpus_revision
    for part in context.degraded:
        run.note_degraded(part)


async def find_in_wordings(run: Run, request: SearchRequest, vector: np.ndarray | None) -> Context:
    """Also by other wordings, where the settings say so: always, or after a search that found little.

    Raises Unavailable.
    """
    mode = run.caller.tenant.query.multi_query
    first = await _find(run, request, vector) if mode != "on" else None
    if mode != "off" and vector is not None:
        run.rewrites = await expand(run, first.hits if first else ())
    if first and not run.rewrites:
        return first
    found = await _find(run, request, vector)
    return _after(first, found) if first else found


async def _find(run: Run, request: SearchRequest, vector: np.ndarray | None) -> Context:
    nearest, run.nearest = run.nearest, None
    return await find_context(
        run.caller,
        request,
        run.question,
        vector,
        run.rewrites,
        clock=run.clock,
        reserve=reserve_from(run),
        nearest=None if run.rewrites else nearest,
    )


def _after(first: Context, second: Context) -> Context:
    """The second search's passages, with what both have cost."""
    degraded = tuple(dict.fromkeys((*first.degraded, *second.degraded)))
    return replace(second, calls=(*first.calls, *second.calls), degraded=degraded)


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
    vector: np.ndarray | None,
    rewrites: Sequence[str] = (),
    *,
    clock: Clock | None = None,
    reserve: Reserve | None = None,
    nearest: Nearest | None = None,
) -> Context:
    """The same for the same documents, settings, levels, question and rewrites. Without a vector
    the words alone are searched for. `nearest`: what the search found, where it was made already.

    Raises Unavailable. Stages are spans of `clock`; `reserve` is asked before anything is paid.
    """
    notes = Notes()
    notes.clock, notes.reserve = clock or notes.clock, reserve or notes.reserve
    if nearest is None:
        probes = await _probes(caller, question, vector, rewrites, notes)
        request = replace(request, question=question)
        nearest = await _search(caller, request, probes, notes.clock)
    if price := price_search(caller.tenant):
        notes.calls.append(price)
    if not nearest.is_near:
        return _too_far(nearest, notes)
    found = nearest.hits
    settings, count = caller.tenant.query, rerank_count(caller, request)
    ordered = await rerank(caller, question, found[:count], notes) if count else None
    ranked = [*ordered, *found[count:]] if ordered else found
    hits, dropped = choose(ranked, request.top_k, settings.mmr_lambda)
    if hits and settings.neighbours:
        hits = await with_neighbours(caller, hits, settings.neighbours)
    saved = 0
    if hits and settings.compress and may_ask_a_model(caller.tenant):
        with notes.clock.span("compress") as span:
            hits, saved = compress(question, hits)
            span.attributes["saved_tokens"] = saved
    return Context(
        hits=tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1)),
        dropped=tuple(dropped),
        corpus_revision=nearest.corpus_revision,
        calls=tuple(notes.calls),
        degraded=tuple(notes.degraded),
        is_reranked=ordered is not None,
        saved_tokens=saved,
        nearest=nearest,
    )


def _too_far(nearest: Nearest, notes: Notes) -> Context:
    return Context(
        dropped=tuple(Dropped(hit, "too_far") for hit in nearest.hits),
        corpus_revision=nearest.corpus_revision,
        calls=tuple(notes.calls),
        degraded=tuple(notes.degraded),
        nearest=nearest,
    )


def may_ask_a_model(tenant: TenantConfig) -> bool:
    """Otherwise the passages are quoted, and nothing is gained by shortening them."""
    return tenant.endpoint is not None or bool(tenant.routes)


async def find(caller: Caller, request: SearchRequest, vector: np.ndarray) -> list[Hit]:
    return list((await find_context(caller, request, request.question, vector)).hits)


async def _probes(
    caller: Caller,
    question: str,
    vector: np.ndarray | None,
    rewrites: Sequence[str],
    notes: Notes,
) -> list[Probe]:
    """The question first. Rewrites are left out where they cannot be embedded."""
    probes = [Probe(question, vector)]
    if rewrites and vector is not None:
        found = await try_to_embed(caller, rewrites, notes)
        probes += map(Probe, rewrites, found) if found is not None else []
    return probes


async def _search(
    caller: Caller, request: SearchRequest, probes: Sequence[Probe], clock: Clock
) -> Nearest:
    async with tenant_transaction(caller.tenant) as connection:
        return await _search_on(connection, caller, request, probes, clock)


async def search_at_once(connection: Connection, run: Run, vector: np.ndarray | None) -> None:
    """In a transaction that is there already, where the question is searched for as it is."""
    if run.caller.tenant.query.multi_query != "on":
        request = replace(search_request(run), question=run.question)
        probes = [Probe(run.question, vector)]
        run.nearest = await _search_on(connection, run.caller, request, probes, run.clock)


async def _search_on(
    connection: Connection,
    caller: Caller,
    request: SearchRequest,
    probes: Sequence[Probe],
    clock: Clock,
) -> Nearest:
    """More than are to be shown, where they are to be put into order."""
    mode = "keyword" if probes[0].vector is None else request.mode
    wanted = replace(request, top_k=_candidates(caller, request), mode=mode)
    wants_variety = caller.tenant.query.mmr_lambda < 1
    with clock.span("search") as span:
        found = await find_nearest(connection, caller, wanted, probes, embeddings=wants_variety)
        span.attributes["hits"] = len(found.hits) if found.is_near else 0
    return found


def _candidates(caller: Caller, request: SearchRequest) -> int:
    varied = MMR_CANDIDATES if caller.tenant.query.mmr_lambda < 1 else 0
    return max(request.top_k + SPARE, rerank_count(caller, request), varied)
