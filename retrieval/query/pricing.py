"""What an answer cost, from the published prices that genai-prices carries.

Here and not with the charts, because an answer carries its price before it is recorded.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from genai_prices import Usage as PricedUsage, calc_price

from retrieval.types import Cost, ModelCall, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrieval.types import CallKind, Hit
    from tenants.config import TenantConfig

CHARACTERS_A_TOKEN = 4
FREE_EMBEDDERS = ("local:", "fastembed:")
# A call's kind and the component of the cost that it belongs to.
COMPONENT = {"rewrite": "multi_query"}


def sum_up(calls: Iterable[ModelCall]) -> Cost:
    """By component; one unknown price makes its component unknown."""
    sums: dict[str, Decimal | None] = {}
    for call in calls:
        name = COMPONENT.get(call.kind, call.kind)
        before, cost = sums.get(name, Decimal(0)), call.cost_usd
        sums[name] = None if before is None or cost is None else before + cost
    return Cost(**sums)


def price_call(
    tenant: TenantConfig, kind: CallKind, provider: str, model: str, usage: Usage
) -> ModelCall:
    cost = _published(model, usage.input_tokens, usage.output_tokens)
    return ModelCall(kind, provider, model, usage, cost)


def price_embedding(model: str, tokens: int) -> Decimal | None:
    """Of a text of so many tokens, by an embedding model as a tenant names it."""
    if model.startswith(FREE_EMBEDDERS):
        return Decimal(0)
    provider, _, name = model.partition(":")
    return _published(name, tokens, 0, provider)


def _published(
    model: str, input_tokens: int, output_tokens: int, provider: str | None = None
) -> Decimal | None:
    """None when nobody has published a price for this model."""
    counted = PricedUsage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return calc_price(counted, model_ref=model, provider_id=provider).total_price
    except LookupError:
        return None


def estimate_usage(question: str, hits: Sequence[Hit], answer: str) -> Usage:
    """For a model that was cut off, or whose endpoint counts nothing."""
    sent = len(question) + sum(len(hit.shown or hit.text) for hit in hits)
    return Usage(sent // CHARACTERS_A_TOKEN, len(answer) // CHARACTERS_A_TOKEN, estimated=True)
