"""POST /api/v1/search/: what an answer would be made from, by the very path of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrieval.providers.reranker import get_reranker
from retrieval.query.budget import Purse, open_purse
from retrieval.query.embed import question_vector
from retrieval.query.paid_apart import book_apart
from retrieval.query.pricing import PRICED_SERVICES, embeds_free, sum_up
from retrieval.query.request import AnswerRequest
from retrieval.query.retrieve import find_in_wordings
from retrieval.query.run import Run

if TYPE_CHECKING:
    from retrieval.query.context import Context, Nearest
    from retrieval.query.request import SearchRequest
    from retrieval.types import Hit
    from tenants.config import Caller


async def search_documents(caller: Caller, wanted: SearchRequest) -> dict[str, Any]:
    """The response's body. Raises BudgetExceeded where a search has to be paid, Unavailable."""
    purse = await open_purse(caller) if _may_cost(caller) else Purse()
    run = Run(caller, AnswerRequest(wanted.question), wanted.question, purse)
    try:
        vector = await question_vector(run) if wanted.mode != "keyword" else None
        context = await find_in_wordings(run, wanted, vector)
        run.outcome.calls += context.calls
        for part in context.degraded:
            run.note_degraded(part)
    finally:
        await book_apart(run, "lookup")
    return _body(run, wanted, context)


def _may_cost(caller: Caller) -> bool:
    tenant, reranker = caller.tenant, get_reranker()
    asks_a_model = tenant.query.multi_query != "off"
    is_priced = any(price.model in PRICED_SERVICES for price in tenant.prices)
    reranks_elsewhere = reranker is not None and not reranker.is_free
    return asks_a_model or is_priced or reranks_elsewhere or not embeds_free(tenant)


def _body(run: Run, wanted: SearchRequest, context: Context) -> dict[str, Any]:
    body: dict[str, Any] = {
        "hits": [hit.as_json() for hit in context.hits],
        "reranked": context.is_reranked,
        "degraded": run.degraded,
        "duration_ms": round(run.clock.now(), 1),
    }
    if not wanted.explain:
        return body
    return body | {
        "hits": [explained(hit, "shown") for hit in context.hits],
        "dropped": [explained(one.hit, one.fate) for one in context.dropped],
        "rewrites": list(run.rewrites),
        "cost_usd": sum_up(run.outcome.calls).as_json(),
        "saved_tokens": context.saved_tokens,
        "corpus_revision": context.corpus_revision,
        "spans": [span.as_json() for span in run.clock.spans],
        "evidence": evidence_json(context.nearest),
    }


def evidence_json(nearest: Nearest | None) -> dict[str, Any] | None:
    """How near the best passage is, and how near it has to be. `by`: evidence is the cosine similarity
    and up to 0.45 for the question's words; words is the share of these alone."""
    return nearest and {
        "best": round(nearest.best, 4),
        "needed": round(nearest.needed, 4),
        "by": "words" if nearest.by_words else "evidence",
        "passages": nearest.total,
    }


def explained(hit: Hit, fate: str) -> dict[str, Any]:
    """The contract's keys, where the hit came from, and what became of it."""
    return hit.as_json() | {
        "heading_path": hit.heading_path,
        "ordinal": hit.ordinal,
        "vector_place": hit.vector_place,
        "keyword_place": hit.keyword_place,
        "rerank_score": hit.rerank_score,
        "shown": hit.shown or hit.text,
        "fate": fate,
    }
