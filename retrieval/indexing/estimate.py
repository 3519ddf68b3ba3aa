"""How much text a plan's files will probably hold, and what embedding it will cost."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from django.db.models import F

from retrieval.indexing.paid import price_vectors
from retrieval.models import Document

if TYPE_CHECKING:
    from retrieval.indexing.plan import Plan
    from tenants.models import Tenant

# Documents that a tenant indexed last, from which its tokens a byte are taken.
SAMPLE = 500
FEWEST_OF_A_KIND = 5
# Until there are documents of a kind: English text has about four letters a token; in a document of
# a word processor most bytes are not text.
TEXT_TOKENS_A_BYTE = 0.25
OTHER_TOKENS_A_BYTE = 0.02
TEXT_SUFFIXES = frozenset(
    {".md", ".markdown", ".txt", ".rst", ".csv", ".json", ".html", ".htm", ""}
)


def estimate(tenant: Tenant, plan: Plan) -> dict[str, Any]:
    """`tokens`, and `cost_usd` as text; None where nobody has published a price.

    With the tenant in force.
    """
    tokens = _count_tokens(plan)
    cost = price_vectors(tenant, tenant.embedding_model, tokens)
    return {"tokens": tokens, "cost_usd": None if cost is None else f"{cost:f}"}


def _count_tokens(plan: Plan) -> int:
    sizes: Counter[str] = Counter()
    for item in [*plan.added, *(item for _, item in plan.updated)]:
        sizes[_suffix(item.path)] += item.size or 0
    if not sizes:
        return 0
    rates = _measured_rates()
    return round(sum(size * rates.get(suffix, _usual(suffix)) for suffix, size in sizes.items()))


def _measured_rates() -> dict[str, float]:
    done = Document.objects.filter(
        status=Document.Status.READY, indexed_hash=F("content_hash"), size_bytes__gt=0
    )
    newest = done.order_by("-created_at").values_list("path", "token_count", "size_bytes")[:SAMPLE]
    tokens: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for path, count, size in newest:
        suffix = _suffix(path)
        tokens[suffix] += count
        sizes[suffix] += size
        kinds[suffix] += 1
    return {
        suffix: tokens[suffix] / size
        for suffix, size in sizes.items()
        if kinds[suffix] >= FEWEST_OF_A_KIND
    }


def _usual(suffix: str) -> float:
    return TEXT_TOKENS_A_BYTE if suffix in TEXT_SUFFIXES else OTHER_TOKENS_A_BYTE


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
