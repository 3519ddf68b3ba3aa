"""What an answer cost: the tenant's own prices, the installation's, then the published ones that
genai-prices carries.

Here and not with the charts, because an answer carries its price before it is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from genai_prices import Usage as PricedUsage, calc_price

from retrieval.types import Cost, ModelCall, Price, Usage
from tenants.published_prices import list_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrieval.query.routing import Choice
    from retrieval.types import CallKind, Message
    from tenants.config import PriceOverride, TenantConfig

CHARACTERS_A_TOKEN = 4
# No text takes more tokens than a third of its bytes, save for rare signs; a message's role takes some.
FEWEST_BYTES_A_TOKEN = 3
TOKENS_A_MESSAGE = 8
MILLION, THOUSAND = Decimal(1_000_000), Decimal(1_000)
FREE_EMBEDDERS = ("local:", "fastembed:")
FREE = Price(Decimal(0), Decimal(0), "free")
# Paid by the call, by the names that prices have for them.
PRICED_SERVICES = ("search", "rerank")
# A call's kind and the component of the cost that it belongs to.
COMPONENT = {"rewrite": "multi_query"}


@dataclass(frozen=True, slots=True)
class Published:
    """`is_flat`: the same for every token, so that nothing has to be looked up for each call."""

    price: Price
    is_flat: bool


def sum_up(calls: Iterable[ModelCall]) -> Cost:
    """By component; one unknown price makes its component unknown."""
    sums: dict[str, Decimal | None] = {}
    for call in calls:
        name = COMPONENT.get(call.kind, call.kind)
        before, cost = sums.get(name, Decimal(0)), call.cost_usd
        sums[name] = None if before is None or cost is None else before + cost
    return Cost(**sums)


def price_call(
    tenant: TenantConfig, kind: CallKind, provider: str, model: str, usage: Usage, named: str = ""
) -> ModelCall:
    """The call with its price; `cost_usd` is None where nobody knows one.

    `named`: as prices name the model, where that is more than its endpoint does.
    """
    price = find_price(tenant, named or model)
    return ModelCall(kind, provider, model, usage, _cost(model, price, usage), price)


def price_search(tenant: TenantConfig) -> ModelCall | None:
    """A search, where the tenant or the installation has a price for the model named `search`."""
    if not any(price.model == "search" for price in tenant.prices):
        return None
    return price_call(tenant, "search", "database", "search", Usage())


def estimate_call(
    tenant: TenantConfig, choice: Choice, input_tokens: int, max_output_tokens: int
) -> Decimal | None:
    """The most that a call may cost. None: the price is not known."""
    usage = Usage(input_tokens, max_output_tokens)
    return _cost(choice.model, find_price(tenant, choice.model), usage)


def embeds_free(tenant: TenantConfig) -> bool:
    """By a model that runs here, and that nobody has set a price for."""
    return find_price(tenant, tenant.embedding_model) is FREE


def find_price(tenant: TenantConfig, model: str) -> Price | None:
    """`model` as an endpoint knows it, or an embedding model as a tenant names it."""
    return find_price_in(tenant.prices, model)


def find_price_in(prices: Iterable[PriceOverride], model: str) -> Price | None:
    """The first of `prices` that is the model's, else the published one."""
    names = {model, model.partition(":")[2] or model}
    for own in prices:
        if own.model in names:
            return Price(own.input_usd, own.output_usd, own.source, own.unit, own.as_of)
    if model.startswith(FREE_EMBEDDERS):
        return FREE
    found = _published(model)
    return found.price if found else None


def _cost(model: str, price: Price | None, usage: Usage) -> Decimal | None:
    if price is None:
        return None
    if price.unit == "calls":
        return price.input_usd / THOUSAND
    found = _published(model) if price.source == "published" else None
    if found and not found.is_flat:
        return _calculate(model, usage.input_tokens, usage.output_tokens)
    sent, made = usage.input_tokens * price.input_usd, usage.output_tokens * price.output_usd
    return (sent + made) / MILLION


@lru_cache(maxsize=1_000)
def _published(model: str) -> Published | None:
    """Per million tokens. None when nobody has published a price for this model."""
    try:
        whole = _calculate(model, 1_000_000, 0), _calculate(model, 0, 1_000_000)
        thousandth = _calculate(model, 1_000, 0), _calculate(model, 0, 1_000)
    except LookupError:
        return None
    if not any(whole):
        return None  # listed without a price: that is no promise of being free
    is_flat = all(few * 1_000 == many for few, many in zip(thousandth, whole, strict=True))
    sent, made = whole if is_flat else (part * 1_000 for part in thousandth)
    return Published(Price(sent, made, "published", as_of=list_words()), is_flat)


def _calculate(model: str, input_tokens: int, output_tokens: int) -> Decimal:
    """Raises LookupError."""
    provider, name = "", model
    for mark in (":", "/"):
        # As embedding models are named here, and chat models by those who pass on to many makers.
        if mark in model:
            provider, _, name = model.partition(mark)
            break
    counted = PricedUsage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return calc_price(counted, model_ref=model).total_price
    except LookupError:
        if not provider:
            raise
        return calc_price(counted, model_ref=name, provider_id=provider).total_price


def estimate_usage(messages: Sequence[Message], answer: str) -> Usage:
    """For a model that was cut off, or whose endpoint counts nothing."""
    sent = sum(len(message.content) for message in messages)
    return Usage(sent // CHARACTERS_A_TOKEN, len(answer) // CHARACTERS_A_TOKEN, estimated=True)


def most_tokens(messages: Sequence[Message]) -> int:
    """An upper bound, for what is reserved before a call."""
    size = sum(len(message.content.encode()) for message in messages)
    return size // FEWEST_BYTES_A_TOKEN + TOKENS_A_MESSAGE * len(messages)
