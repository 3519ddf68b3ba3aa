"""What an answer cost, from the published prices that genai-prices carries.

Here and not with the charts, because an answer carries its price before it is recorded.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from genai_prices import Usage as PricedUsage, calc_price

from retrieval.providers import extractive
from retrieval.providers.embedders import get_embedder
from retrieval.types import Cost, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.types import Hit

CHARACTERS_A_TOKEN = 4
FREE_EMBEDDERS = ("local:", "fastembed:")


def price(*, model: str, usage: Usage, embedding_model: str, question: str) -> Cost:
    return Cost(
        embedding=_embedding(embedding_model, question),
        generation=_generation(model, usage),
    )


def _generation(model: str, usage: Usage) -> Decimal | None:
    if model in {extractive.MODEL, ""}:
        return Decimal(0)
    return _published(model, usage.input_tokens, usage.output_tokens)


def _embedding(model: str, question: str) -> Decimal | None:
    if model.startswith(FREE_EMBEDDERS):
        return Decimal(0)
    return price_embedding(model, get_embedder(model).count_tokens(question))


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
    sent = len(question) + sum(len(hit.text) for hit in hits)
    return Usage(sent // CHARACTERS_A_TOKEN, len(answer) // CHARACTERS_A_TOKEN, estimated=True)
