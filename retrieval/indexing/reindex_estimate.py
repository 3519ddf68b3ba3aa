"""What indexing a tenant anew would take, told from a sample of its documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Sum

from retrieval.indexing import chunking
from retrieval.indexing.left import with_text
from retrieval.indexing.paid import price_vectors
from retrieval.providers.embedders import get_embedder
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from retrieval.indexing.reindex import ChunkSettings
    from tenants.models import Tenant

SAMPLE = 20
# Longer documents would make somebody wait for the estimate.
MOST_SAMPLE_TOKENS = 20_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """`cost_usd` is None when nobody has published a price of the model."""

    documents: int
    passages_now: int
    passages: int
    tokens: int
    cost_usd: Decimal | None
    # Passages are never longer than the model reads.
    window: int


def estimate(tenant: Tenant, wanted: ChunkSettings) -> Estimate:
    with tenant_context(tenant):
        totals = with_text().aggregate(
            documents=Count("id"), passages=Sum("chunk_count"), tokens=Sum("token_count")
        )
        few = with_text().filter(token_count__range=(1, MOST_SAMPLE_TOKENS)).order_by("id")
        rows = list(few.values_list("markdown", "chunk_count", "token_count")[:SAMPLE])
    embedder = get_embedder(wanted.embedding_model)
    made = [chunking.split(markdown, embedder, wanted.chunk_tokens) for markdown, _, _ in rows]
    passages = _scaled(totals["passages"] or 0, map(len, made), (row[1] for row in rows))
    sizes = (sum(passage.token_count for passage in passages) for passages in made)
    tokens = _scaled(totals["tokens"] or 0, sizes, (row[2] for row in rows))
    return Estimate(
        documents=totals["documents"],
        passages_now=totals["passages"] or 0,
        passages=passages,
        tokens=tokens,
        cost_usd=price_vectors(tenant, wanted.embedding_model, tokens),
        window=embedder.max_tokens,
    )


def _scaled(total: int, made: Iterable[int], now: Iterable[int]) -> int:
    """`total` in the proportion in which the sample changed."""
    new, old = sum(made), sum(now)
    return round(total * new / old) if new and old else total
