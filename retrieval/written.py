"""Documents to write that were written meanwhile: what the search brings today where it brought nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from ragadmin.errors import RagadminError
from retrieval.background import run_alone
from retrieval.diagnosis.evidence import HOLDS_MORE
from retrieval.query.context import notes_of
from retrieval.query.embed import embed_texts
from retrieval.query.paid_apart import paid_apart
from retrieval.query.request import SearchRequest
from retrieval.query.search import evidence_needed, find_nearest
from retrieval.query.search_statement import Probe
from tenants.access import still_existing, tenant_config
from tenants.config import Caller
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np

    from retrieval.types import Hit
    from tenants.models import Tenant
    from tenants.pool import Connection

log = structlog.get_logger("ragadmin.gaps")


def find_written(
    tenant: Tenant, questions: Sequence[str], levels: Collection[str]
) -> list[Hit | None]:
    """Of each question the passage at these levels that fits it, if one has the evidence that a
    diagnosis asks for. No tenant may be in force. None of any while the embedder is away."""
    readable = still_existing(sorted(levels), tenant)
    caller = Caller(tenant_config(tenant), readable, frozenset({"query"}), "documents to write")
    try:
        return run_alone(_find(caller, questions)) if questions else []
    except RagadminError as error:
        log.warning("not_searched_for", tenant=tenant.slug, reason=error.code)
        return [None] * len(questions)


async def _find(caller: Caller, questions: Sequence[str]) -> list[Hit | None]:
    async with paid_apart(caller, "diagnosis") as run:
        vectors = await embed_texts(caller, questions, notes_of(run))
    async with tenant_transaction(caller.tenant) as connection:
        return [
            await _fitting(connection, caller, question, vector)
            for question, vector in zip(questions, vectors, strict=True)
        ]


async def _fitting(
    connection: Connection, caller: Caller, question: str, vector: np.ndarray
) -> Hit | None:
    """In hybrid mode, whatever the tenant's is: the score is the evidence then."""
    request = SearchRequest(question, top_k=1, mode="hybrid")
    found = await find_nearest(connection, caller, request, [Probe(question, vector)])
    least = max(caller.tenant.min_similarity, 0.0) + evidence_needed(found.total)
    return next((hit for hit in found.hits if hit.score >= least + HOLDS_MORE), None)
