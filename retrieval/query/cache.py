"""Answers given again. `serve_exact` before anything is stored, `look_up` before a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragadmin.errors import ProviderError
from retrieval.query import exact_cache, redis_store, semantic_cache
from retrieval.query.cached_answer import take_over
from retrieval.query.config_hash import exact_key
from retrieval.query.embed import question_vector
from retrieval.query.exact_cache import Published
from retrieval.query.keep_answer import CacheHit, Kept
from retrieval.query.proof import find_again, fingerprint
from retrieval.query.record import store_whole, tell_listeners
from retrieval.query.retrieve import search_at_once
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from retrieval.query.run import Run
    from retrieval.query.semantic_cache import Candidate
    from retrieval.types import Hit

DROP_STALE = """
UPDATE retrieval_cacheentry SET evicted_at = now()
WHERE id = %(id)s AND corpus_revision = %(revision)s
"""


def may_be_served(run: Run) -> bool:
    """Not to somebody who wants it fresh, nor where the question leans on what was said before."""
    wanted = run.request.use_cache and run.caller.tenant.query.cache
    return wanted and not run.history_in_prompt


async def serve_exact(run: Run) -> bool:
    """Whether the answer was there and is proven; then it is stored, whole, on the run's trace.

    One GET, and one transaction, whose own view of the documents is the proof.
    """
    request, tenant = run.request, run.caller.tenant
    if not may_be_served(run) or request.history or request.conversation_id:
        return False
    with run.clock.span("cache", what="exact") as span:
        found = await exact_cache.find(tenant, exact_key(run.caller, request, run.question))
        if redis_store.is_down():
            run.note_degraded("redis")
        span.attributes["found"] = found is not None
    if found is None:
        return False
    async with tenant_transaction(tenant) as connection:
        if connection.corpus_revision != found.revision:
            return False
        if not await exact_cache.is_valid(connection, tenant, found.answer.entry_id):
            return False
        run.corpus_revision = found.revision
        take_over(run, found.answer, found.answer.hits, kind="exact")
        await store_whole(connection, run)
    tell_listeners(run)
    return True


async def look_up(run: Run) -> bool:
    """Whether a cached answer was taken over into `run.outcome`."""
    if not may_be_served(run):
        return False
    vector = await _vector(run)
    with run.clock.span("cache", what="semantic") as span:
        async with tenant_transaction(run.caller.tenant) as connection:
            revision = connection.corpus_revision
            found = await semantic_cache.find_candidates(connection, run, vector)
            if not found:
                await search_at_once(connection, run, vector)
        span.attributes["candidates"] = len(found)
    for one in found:
        if semantic_cache.holds(run, one, revision):
            _serve(run, one, one.answer.hits, revision)
            return True
        if await _prove(run, one):
            return True
    return False


async def _vector(run: Run) -> np.ndarray | None:
    """None without an embedder: the same question is found without it."""
    try:
        return await question_vector(run)
    except ProviderError:
        return None


async def _prove(run: Run, one: Candidate) -> bool:
    async with tenant_transaction(run.caller.tenant) as connection:
        vector = await semantic_cache.read_embedding(connection, one)
    context = None if vector is None else await find_again(run, one.question, vector, one.rewrites)
    if context is None:
        return False
    if fingerprint(context.hits) == one.fingerprint:
        _serve(run, one, context.hits, context.corpus_revision, is_proven_anew=True)
        return True
    if one.access_levels == frozenset(run.caller.access_levels):
        await _drop(run, one)
    return False


async def _drop(run: Run, one: Candidate) -> None:
    """Unless somebody has proven or replaced it meanwhile."""
    async with tenant_transaction(run.caller.tenant) as connection:
        values = {"id": one.answer.entry_id, "revision": one.corpus_revision}
        await connection.execute(DROP_STALE, values)


def _serve(
    run: Run, one: Candidate, hits: Sequence[Hit], revision: int, *, is_proven_anew: bool = False
) -> None:
    take_over(run, one.answer, hits, kind=one.kind)
    run.outcome.cache_similarity = one.similarity
    run.corpus_revision = revision
    kept = None
    if one.kind == "exact":
        key = exact_key(run.caller, run.request, run.question)
        kept = Kept(key, Published(revision, one.answer), one.seconds_left)
    has_own_levels = one.access_levels == frozenset(run.caller.access_levels)
    run.hit = CacheHit(one.question, kept, is_proven_anew, has_own_levels)
