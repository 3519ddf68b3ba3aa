"""The prices in force now of what was paid for in a period, each with its date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.cost_words import price_words, source_words
from retrieval.query.pricing import find_price_in
from retrieval.query.rerank import PRICED_AS
from retrieval.types import COST_COMPONENTS
from tenants.config import PriceOverride
from tenants.prices import list_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.models import SpendingRow
    from monitoring.usage import Spending
    from tenants.models import Tenant

# Of one component, the busiest first.
MOST_MODELS = 20


@dataclass(frozen=True, slots=True)
class PriceNow:
    """`words` are empty where nobody knows a price."""

    model: str
    words: str
    source: str

    def __str__(self) -> str:
        return (
            f"{self.model}: {self.words}, {self.source}" if self.words else f"{self.model}: unknown"
        )


def prices_now(tenant: Tenant | None, spending: Spending) -> dict[str, tuple[PriceNow, ...]]:
    """By component, of the tenant, or those for all tenants. One query."""
    rows = [row for row in spending.rows if row.component in COST_COMPONENTS]
    if not rows:
        return {}
    own = _overrides(tenant)
    calls: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.component, _named(row))
        calls[key] = calls.get(key, 0) + row.calls
    found: dict[str, list[PriceNow]] = {}
    for component, model in sorted(calls, key=lambda key: (-calls[key], key)):
        found.setdefault(component, []).append(_price_now(own, model))
    return {component: tuple(prices[:MOST_MODELS]) for component, prices in found.items()}


def _overrides(tenant: Tenant | None) -> list[PriceOverride]:
    return [
        PriceOverride(
            row.model,
            row.unit,
            row.input_usd,
            row.output_usd,
            "tenant" if row.tenant_id else "installation",
            row.updated_at.date().isoformat(),
        )
        for row in list_prices(tenant)
    ]


def _named(row: SpendingRow) -> str:
    """As prices name it."""
    if row.component == "embedding":
        return f"{row.provider}:{row.model}"
    return PRICED_AS if row.component == "rerank" else row.model


def _price_now(own: Sequence[PriceOverride], model: str) -> PriceNow:
    price = find_price_in(own, model)
    if price is None:
        return PriceNow(model, "", "")
    told = price.as_json()
    return PriceNow(model, price_words(told), source_words(told))
