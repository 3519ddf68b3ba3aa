"""What vectors of documents cost, where their model is paid for: planned, and booked as it is spent.

It is in the books and counts for no budget: a plan shows it before anything is done.
"""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

from retrieval import events
from retrieval.bookkeeping import book
from retrieval.providers.base import CountingEmbedder
from retrieval.providers.embedders import get_embedder
from retrieval.query.embed import price_tokens
from retrieval.query.pricing import FREE_EMBEDDERS
from retrieval.types import Usage
from tenants.access import tenant_config
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from retrieval.types import Passage
    from tenants.models import Tenant


def price_vectors(tenant: Tenant, model: str, tokens: int) -> Decimal | None:
    """US dollars by the tenant's price. None: nobody knows one. What runs here is free."""
    if model.startswith(FREE_EMBEDDERS):
        return Decimal(0)
    return price_tokens(tenant_config(tenant), model, Usage(tokens)).cost_usd


def embed_passages(model: str, passages: Sequence[Passage]) -> tuple[np.ndarray, Usage]:
    """Raises ProviderError. As the endpoint counted, or as we did."""
    embedder, texts = get_embedder(model), [passage.embedded_text for passage in passages]
    if isinstance(embedder, CountingEmbedder):
        vectors, counted = embedder.embed_counted(texts)
    else:
        vectors, counted = embedder.embed(texts), None
    if counted is not None:
        return vectors, Usage(counted)
    tokens = sum(passage.token_count for passage in passages)
    return vectors, Usage(tokens, estimated=True)


def book_vectors(tenant: Tenant, model: str, usage: Usage) -> None:
    """No tenant may be in force. What was free leaves no row."""
    if model.startswith(FREE_EMBEDDERS) or not usage.input_tokens:
        return
    call = price_tokens(tenant_config(tenant), model, usage)
    if call.cost_usd == 0:
        return
    paid = json.dumps([{"calls": [call.as_json()]}])
    with tenant_context(tenant):
        book(events.ledger.spent, entry="indexing", subject_id=uuid.uuid4(), paid=paid)
