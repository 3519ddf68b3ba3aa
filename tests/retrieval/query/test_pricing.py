"""What answers cost, and what they saved."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retrieval.query.pricing import (
    estimate_call,
    find_price,
    most_tokens,
    price_call,
    price_search,
    sum_up,
)
from retrieval.query.routing import Choice
from retrieval.types import Message, ModelCall, Usage
from tenants.access import tenant_config
from tenants.config import ModelEndpoint, PriceOverride
from tenants.models import ModelPrice
from tests.retrieval.query.asking import answered, changed, routed
from tests.retrieval.query.test_routing import tenant as plain_tenant

pytestmark = pytest.mark.usefixtures("loop_resources")
MILLION = Usage(1_000_000, 1_000_000)
OWN = PriceOverride("gpt-4o-mini", "tokens", Decimal(1), Decimal(2), "tenant")


def call(model, usage=MILLION, kind="generation", **columns):
    return price_call(plain_tenant(**columns), kind, "any", model, usage)


def test_a_published_price_is_taken_with_its_source():
    priced = call("gpt-4o-mini")
    assert priced.cost_usd == Decimal("0.75")
    assert (priced.price.source, priced.price.input_usd) == ("published", Decimal("0.15"))
    assert priced.price.output_usd == Decimal("0.6")


def test_a_tenants_own_price_comes_before_the_published_one():
    priced = call("gpt-4o-mini", prices=(OWN,))
    assert (priced.cost_usd, priced.price.source) == (Decimal(3), "tenant")


def test_a_price_that_rises_with_the_prompt_is_computed_for_that_prompt():
    short, long = call("gemini-2.5-pro", Usage(1_000)), call("gemini-2.5-pro", Usage(1_000_000))
    assert long.cost_usd > short.cost_usd * 1_000


def test_an_unknown_price_is_not_free():
    assert call("mock-0-1-0").cost_usd is None
    assert sum_up([call("mock-0-1-0")]).total is None
    assert sum_up([]).total == 0


def test_a_model_of_a_gateway_has_its_makers_price():
    assert call("openai/gpt-4o-mini").cost_usd == call("gpt-4o-mini").cost_usd


def test_calls_are_priced_by_the_thousand():
    price = PriceOverride("rerank-1", "calls", Decimal(2), Decimal(0), "installation")
    assert call("rerank-1", Usage(), "rerank", prices=(price,)).cost_usd == Decimal("0.002")


def test_a_search_costs_something_only_where_a_price_is_set():
    assert price_search(plain_tenant()) is None
    price = PriceOverride("search", "calls", Decimal(1), Decimal(0))
    found = price_search(plain_tenant(prices=(price,)))
    assert sum_up([found]).search == Decimal("0.001")


def test_local_embedders_are_free_and_others_have_their_price():
    assert call("local:all-MiniLM-L6-v2", Usage(500), "embedding").cost_usd == 0
    assert call("openai:text-embedding-3-small", Usage(1_000_000)).cost_usd == Decimal("0.02")
    own = PriceOverride("text-embedding-3-small", "tokens", Decimal(5), Decimal(0))
    assert call("openai:text-embedding-3-small", prices=(own,)).cost_usd == Decimal(5)


def test_sums_go_by_component_and_are_exact():
    cents = [
        ModelCall(kind, "", "", Usage(), Decimal("0.1")) for kind in ("rewrite", "multi_query")
    ]
    cost = sum_up([*cents, ModelCall("embedding", "", "", Usage(), Decimal("0.2"))])
    assert (cost.multi_query, cost.embedding, cost.total) == (
        Decimal("0.2"), Decimal("0.2"), Decimal("0.4"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "How long is a password reset link valid?",
        "パスワードのリンクはいつまで有効ですか",
        "ключ действует час",
    ],
)
def test_what_is_reserved_is_enough(text):
    messages = [Message("system", "Answer."), Message("user", text * 50)]
    characters = sum(len(message.content) for message in messages)
    assert most_tokens(messages) >= characters / (4 if text.isascii() else 2)


def test_an_estimate_is_the_most_that_a_call_may_cost():
    endpoint = ModelEndpoint("e", "", "", "gpt-4o-mini", "")
    choice = Choice("gpt-4o-mini", endpoint)
    assert estimate_call(plain_tenant(), choice, 1_000_000, 1_000_000) == Decimal("0.75")
    assert estimate_call(plain_tenant(), Choice("mock", endpoint), 10, 10) is None


def test_a_tenants_price_hides_the_installations(tenant):
    ModelPrice.objects.create(tenant=None, model="m", input_usd=7, output_usd=7)
    assert find_price(tenant_config(tenant), "m").source == "installation"
    ModelPrice.objects.create(tenant=tenant, model="m", input_usd=3, output_usd=3)
    price = find_price(tenant_config(tenant), "m")
    assert (price.source, price.input_usd) == ("tenant", Decimal(3))
    ModelPrice.objects.filter(model="m").delete()


async def test_what_routing_saved_is_against_the_large_model(caller, mock_url):
    prices = (
        PriceOverride("mock-0-9-0", "tokens", Decimal(1), Decimal(1)),
        PriceOverride("mock-0-8-0", "tokens", Decimal(10), Decimal(10)),
    )
    asker = routed(
        caller, mock_url, simple="mock-0-9-0", moderate="mock-0-9-0", complex="mock-0-8-0"
    )
    done = await answered(changed(asker, prices=prices))
    assert done["model"] == "mock-0-9-0"
    assert done["saved"]["routing"] == pytest.approx(done["cost_usd"]["generation"] * 9)


async def test_nothing_is_saved_where_a_price_is_unknown(caller, mock_url):
    prices = (PriceOverride("mock-0-9-0", "tokens", Decimal(1), Decimal(1)),)
    asker = routed(
        caller, mock_url, simple="mock-0-9-0", moderate="mock-0-9-0", complex="mock-0-8-0"
    )
    assert (await answered(changed(asker, prices=prices)))["saved"] == {}
