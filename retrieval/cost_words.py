"""What a recorded answer cost, in words and sums: its components, its calls and its stages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from retrieval.types import COST_COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from retrieval.models import QueryTrace

Key = TypeVar("Key", bound="Hashable")
CALLS = {
    "multi_query": "Several wordings",
    "rewrite": "Follow-up completed",
    "rerank": "Re-ranking",
}
# The component of the cost that a call or a stage belongs to, where it has another name.
COMPONENTS = {"rewrite": "multi_query"}
STAGES = {"embed": "embedding", "generate": "generation"}
# The span that a call is made in, by its kind and what.
SPAN_OF = {
    "embedding": ("embed", ""),
    "search": ("search", ""),
    "rerank": ("rerank", ""),
    "rewrite": ("route", "rewrite"),
    "multi_query": ("route", "multi_query"),
    "generation": ("generate", ""),
}
PRICED_BY = {
    "published": "published",
    "tenant": "set for this tenant",
    "installation": "set for all tenants",
    "free": "runs here",
}
SAVED_BY: dict[str, str] = {
    "cache": "Cache",
    "embedding": "Kept vector",
    "routing": "Smaller model",
    "compression": "Compression",
}


def cost_rows(trace: QueryTrace) -> list[tuple[str, Decimal | None, bool]]:
    """US dollars by component, None where the price is not known; whether it was used at all."""
    costs = _sum_up(trace.calls, lambda call: COMPONENTS.get(call["kind"], call["kind"]))
    used = set(costs) | {STAGES.get(span["kind"], span["kind"]) for span in trace.spans}
    return [
        (CALLS.get(name, name.capitalize()), costs.get(name, Decimal(0)), name in used)
        for name in COST_COMPONENTS
        if name in trace.cost_usd
    ]


def saved_rows(trace: QueryTrace) -> list[tuple[str, Decimal]]:
    amounts = {name: Decimal(amount) for name, amount in trace.saved.items()}
    return [(SAVED_BY.get(name, str(name)), amount) for name, amount in amounts.items() if amount]


def call_rows(trace: QueryTrace) -> list[dict[str, Any]]:
    return [
        {
            **call,
            "what": CALLS.get(call["kind"], call["kind"].capitalize()),
            "cost_usd": None if call["cost_usd"] is None else Decimal(call["cost_usd"]),
            "price_words": price_words(call["price"]) if call.get("price") else "",
            "source_words": source_words(call["price"]) if call.get("price") else "",
        }
        for call in trace.calls
    ]


def source_words(price: Mapping[str, str]) -> str:
    """Of a price as JSON: whose it is, and its date."""
    words = PRICED_BY.get(price["source"], price["source"])
    as_of = price.get("as_of")
    if not as_of:
        return words
    return f"{words}, {as_of}" if price["source"] == "published" else f"{words} on {as_of}"


def price_words(price: Mapping[str, str]) -> str:
    """Of a price as JSON."""
    sent, made = (Decimal(price[name]).normalize() for name in ("input_usd", "output_usd"))
    if price["unit"] == "calls":
        return f"${sent:f} a thousand calls"
    both = f"${sent:f} in, ${made:f} out" if made else f"${sent:f}"
    return f"{both}, a million tokens"


def span_costs(trace: QueryTrace) -> dict[tuple[str, str], Decimal | None]:
    """US dollars by a span's kind and what: of the calls that were made in it, None if unknown."""
    return _sum_up(trace.calls, lambda call: SPAN_OF[call["kind"]])


def cost_of(calls: Iterable[dict[str, Any]]) -> Decimal | None:
    """Of all together."""
    return _sum_up(calls, lambda _: "").get("", Decimal(0))


def _sum_up(
    calls: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], Key]
) -> dict[Key, Decimal | None]:
    """One unknown price makes its sum unknown."""
    costs: dict[Key, Decimal | None] = {}
    for call in calls:
        before, cost = costs.get(key(call), Decimal(0)), call["cost_usd"]
        costs[key(call)] = None if cost is None or before is None else before + Decimal(cost)
    return costs
