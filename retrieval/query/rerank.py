"""The hits in the order of a reranker, where there is one. Without it the order stays as it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from ragadmin.errors import ConfigurationError, ProviderError
from retrieval.providers.reranker import get_reranker
from retrieval.providers.rest import Rest
from retrieval.query.pricing import price_call
from retrieval.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.providers.base import Reranker
    from retrieval.query.context import Notes
    from retrieval.query.request import SearchRequest
    from retrieval.types import Hit, ModelCall
    from tenants.config import Caller

log = structlog.get_logger("ragadmin.query")

LONGEST_WAIT = 3.0
# In a tenant's or the installation's prices, in US dollars a thousand calls.
PRICED_AS = "rerank"
_rest = Rest()


def rerank_count(caller: Caller, request: SearchRequest) -> int:
    """How many hits are to be put into order; 0 without a reranker, or where none is wanted."""
    settings = caller.tenant.query
    is_wanted = settings.rerank if request.rerank is None else request.rerank
    return settings.rerank_candidates if is_wanted and get_reranker() is not None else 0


async def rerank(
    caller: Caller, question: str, hits: Sequence[Hit], notes: Notes
) -> list[Hit] | None:
    """All of them, best first; None where that was not to be had. Never fails."""
    reranker = get_reranker()
    if reranker is None or len(hits) < 2:
        return None
    if _rest.is_on:
        notes.note_degraded("reranker")
        return None
    call = _priced(caller, reranker)
    with notes.clock.span("rerank", candidates=len(hits), model=reranker.name) as span:
        if not await notes.reserve(call.cost_usd):
            span.attributes["skipped"] = "budget"
            return None
        scores = await _scores(reranker, question, hits)
    if scores is None:
        notes.note_degraded("reranker")
        return None
    notes.calls.append(call)
    scored = [replace(hit, rerank_score=score) for hit, score in zip(hits, scores, strict=True)]
    ordered = sorted(scored, key=lambda hit: -(hit.rerank_score or 0.0))
    span.attributes["moved"] = sum(
        before.chunk_id != after.chunk_id for before, after in zip(hits, ordered, strict=True)
    )
    return ordered


def _priced(caller: Caller, reranker: Reranker) -> ModelCall:
    """A tenant's price of `rerank` first; what runs in our own network costs nothing otherwise."""
    call = price_call(caller.tenant, "rerank", reranker.provider, PRICED_AS, Usage())
    is_free = call.cost_usd is None and reranker.is_free
    return replace(call, model=reranker.name, cost_usd=Decimal(0) if is_free else call.cost_usd)


async def _scores(reranker: Reranker, question: str, hits: Sequence[Hit]) -> list[float] | None:
    texts = [f"{hit.heading_path}\n{hit.text}" if hit.heading_path else hit.text for hit in hits]
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            return await reranker.score(question, texts)
    except TimeoutError:
        reason = "timeout"
    except (ProviderError, ConfigurationError) as error:
        reason = error.message
    log.warning("reranker_failed", reason=reason)
    _rest.begin()
    return None
