"""From a question to the passages that the model is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.query.embed import question_vector
from retrieval.query.request import SearchRequest
from retrieval.query.search import search
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    import numpy as np

    from retrieval.query.run import Run
    from retrieval.types import Hit
    from tenants.config import Caller


async def retrieve(run: Run) -> None:
    """Sets the outcome's hits. Raises ProviderError, Unavailable."""
    vector = await question_vector(run)
    tenant = run.caller.tenant
    wanted = SearchRequest(
        question=run.question, top_k=run.request.top_k or tenant.top_k, filters=run.request.filters
    )
    with run.clock.span("search") as span:
        run.outcome.hits = await find(run.caller, wanted, vector)
        span.attributes["hits"] = len(run.outcome.hits)


async def find(caller: Caller, request: SearchRequest, vector: np.ndarray) -> list[Hit]:
    async with tenant_transaction(caller.tenant) as connection:
        return await search(connection, caller, request, vector)
