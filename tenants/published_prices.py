"""Prices that makers of models have published, from the list that genai-prices carries: no network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from inspect import getsourcefile
from pathlib import Path
from typing import TYPE_CHECKING

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_prices.types import ModelInfo, Provider

MOST_FOUND = 50
# No list of prices is as old.
FIRST_DAY = date(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class PublishedPrice:
    """US dollars a million tokens. `has_tiers`: these are the lowest, long prompts cost more."""

    provider: str
    model: str
    input_usd: Decimal
    output_usd: Decimal
    has_tiers: bool = False


def list_version() -> str:
    return version("genai-prices")


@lru_cache(maxsize=1)
def list_words() -> str:
    """Which list, and since when it is in force here: the day it was installed, as it has no date of its
    own. Without the day where an image was built with all its times set back."""
    path = getsourcefile(get_snapshot)
    day = datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).date() if path else FIRST_DAY
    since = f", here since {day.isoformat()}" if day > FIRST_DAY else ""
    return f"genai-prices {list_version()}{since}"


@lru_cache(maxsize=2_000)
def published_price(model: str) -> PublishedPrice | None:
    """By the name that an endpoint knows the model by, with or without its maker's before it."""
    for reference, provider in _readings(model):
        try:
            found = get_snapshot().find_provider_model(reference, None, provider, None)
        except LookupError:
            continue
        return _price(*found)
    return None


def search_published(text: str) -> tuple[list[PublishedPrice], int]:
    """The first of those whose maker and name hold every word, and how many there are."""
    words = text.lower().split()
    found = [price for key, price in _everything() if all(word in key for word in words)]
    found.sort(key=lambda price: (price.model != text.strip(), len(price.model), price.model))
    return found[:MOST_FOUND], len(found)


def _readings(model: str) -> Iterator[tuple[str, str | None]]:
    """As embedding models are named here, and chat models by those who pass on to many makers."""
    yield model, None
    for mark in (":", "/"):
        if mark in model:
            provider, _, name = model.partition(mark)
            yield name, provider
            return


@lru_cache(maxsize=1)
def _everything() -> list[tuple[str, PublishedPrice]]:
    """Without what is paid by the minute, the picture or the request."""
    return [
        (f"{provider.name} {provider.id} {model.id} {model.name or ''}".lower(), price)
        for provider in get_snapshot().providers
        for model in provider.models
        if (price := _price(provider, model)).input_usd or price.output_usd
    ]


def _price(provider: Provider, model: ModelInfo) -> PublishedPrice:
    prices = model.get_prices(datetime.now(UTC))
    parts = (prices.input_mtok, prices.output_mtok)
    sent, made = (part.base if isinstance(part, TieredPrices) else part for part in parts)
    has_tiers = any(isinstance(part, TieredPrices) for part in parts)
    return PublishedPrice(
        provider.name, model.id, sent or Decimal(0), made or Decimal(0), has_tiers
    )
