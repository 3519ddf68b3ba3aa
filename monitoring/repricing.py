"""A recorded call at the price that is in force now."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings

from retrieval.providers.reranker import is_own_network
from retrieval.query.pricing import PRICED_SERVICES, price_call
from retrieval.query.rerank import PRICED_AS
from retrieval.types import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenants.config import TenantConfig

    # As retrieval.types.ModelCall.as_json writes it.
    Call = dict[str, Any]

NOTHING = Decimal(0)


def price_again(config: TenantConfig, stored: Call) -> Call:
    """The very same call where it costs the same, with the price and the date that it had."""
    usage = Usage(stored["input_tokens"], stored["output_tokens"], stored.get("estimated", False))
    kind, provider, model = stored["kind"], stored["provider"], stored["model"]
    call = price_call(config, kind, provider, model, usage, _named(stored)).as_json()
    if call["price"] is None and _costs_nobody(stored):
        call["cost_usd"] = "0"
    return stored if _is_same(call, stored) else call


def _named(stored: Call) -> str:
    """As prices name it, where that is more than its endpoint does."""
    if stored["kind"] == "embedding":
        return f"{stored['provider']}:{stored['model']}"
    return PRICED_AS if stored["kind"] == "rerank" else ""


def _costs_nobody(stored: Call) -> bool:
    """Unless somebody sets a price: a search, and what runs in the own network, or did then."""
    if stored["price"] is None and stored["cost_usd"] is not None:
        return True
    host = stored["provider"]
    if stored["kind"] == "embedding":
        host = urlsplit(settings.OPENAI_BASE_URL).hostname or ""
    elif stored["kind"] not in PRICED_SERVICES:
        return False
    return bool(host) and is_own_network(host)


def _is_same(call: Call, stored: Call) -> bool:
    return _cost(call) == _cost(stored) and _amounts(call["price"]) == _amounts(stored["price"])


def _cost(call: Call) -> Decimal | None:
    return None if call["cost_usd"] is None else Decimal(call["cost_usd"])


def _amounts(price: dict[str, Any] | None) -> tuple[Any, ...] | None:
    """Without its date: a price that was set again, or is in a newer list, need not be another."""
    if price is None:
        return None
    amounts = (Decimal(price["input_usd"]), Decimal(price["output_usd"]))
    return (*amounts, price["unit"], price["source"])


def known_cost(calls: Iterable[Call]) -> Decimal:
    """US dollars of those whose price is known."""
    return sum((_cost(call) or NOTHING for call in calls), NOTHING)


def is_unknown(calls: Sequence[Call]) -> bool:
    return any(call["cost_usd"] is None for call in calls)
