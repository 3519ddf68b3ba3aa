from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from retrieval.query.pricing import find_price
from tenants.access import tenant_config
from tenants.published_prices import MOST_FOUND, published_price, search_published


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-mini",
        "gpt-4o",
        "claude-sonnet-4-0",
        "openai:text-embedding-3-small",
        "openai/gpt-4o",
        "mistral-small-latest",
        "mock",
        "",
    ],
)
def test_pages_show_the_price_that_questions_are_charged(tenant, model):
    # The installation's own prices hide published ones, and other tests set some.
    config = replace(tenant_config(tenant), prices=())
    shown, charged = published_price(model), find_price(config, model)
    assert (shown and (shown.input_usd, shown.output_usd)) == (
        charged and (charged.input_usd, charged.output_usd)
    )


def test_every_word_has_to_be_in_the_maker_or_the_name():
    found, count = search_published("OpenAI mini 4o")
    assert count >= len(found) > 0
    assert {"gpt-4o-mini"} <= {price.model for price in found}
    assert all("mini" in price.model for price in found)


def test_the_very_name_comes_first():
    found, _ = search_published("gpt-4o")
    assert (found[0].model, found[0].input_usd) == ("gpt-4o", Decimal("2.5"))


def test_a_long_list_is_cut_and_counted():
    found, count = search_published("")
    assert len(found) == MOST_FOUND
    assert count > 1_000


def test_nothing_found_is_nothing():
    assert search_published("no such model anywhere") == ([], 0)
