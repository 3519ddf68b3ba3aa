"""Settings as people set them in a browser, and what they see of them in the playground."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import expect

from tenants.budgets import set_budget
from tenants.keys import create_api_key
from tenants.models import ModelPrice, Provider
from tenants.prices import set_price
from tenants.routes import RoutedModel, set_routes
from tenants.services import create_operator
from tests.browser.asking import add_kettle, ask
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_page_basics import DUPLICATE_IDS, SIDEWAYS, UNLABELLED

SECTIONS = ("", "search/", "models/", "cache/", "cache/empty/", "budget/", "indexing/", "traces/")
# Web processes notice another configuration within two seconds.
NOTICED_MS = 2_100


@pytest.fixture
def operator():
    return create_operator(email=f"{uuid.uuid4().hex[:10]}@example.com", password=None)


@pytest.fixture
def own_prices():
    """Prices for all tenants outlive a test's tenant."""
    yield
    ModelPrice.objects.filter(tenant=None, model__startswith="mock-").delete()


def settings(page, tenant, section=""):
    page.goto(f"/t/{tenant.slug}/settings/{section}")


def playground(page, tenant):
    page.wait_for_timeout(NOTICED_MS)
    page.goto(f"/t/{tenant.slug}/playground/")


def add_model(page, tier, model):
    section = page.get_by_role("region", name=tier, exact=True)
    section.locator("summary").click()
    section.get_by_label("Model").fill(model)
    section.get_by_label("Model").press("Enter")
    expect(section.locator(".route-list")).to_contain_text(model)
    return section


def test_a_route_with_a_fallback_answers_and_says_so(signed_in, tenant):
    page = signed_in
    add_kettle(tenant)
    settings(page, tenant)
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_label("Simple up to").fill("50")
    page.get_by_label("Simple up to").press("Enter")
    expect(page.locator(".toast")).to_contain_text("Simple up to: 2 passages → 50 passages")

    page.get_by_label("Longest answer").fill("777")
    add_model(page, "Simple", "mock-0-10-0")
    simple = add_model(page, "Simple", "mock-error-500")
    simple.get_by_role("button", name="Ask mock-error-500 earlier").click()
    expect(simple.locator(".route").first).to_contain_text("mock-error-500")
    expect(page.get_by_label("Longest answer")).to_have_value("777")

    playground(page, tenant)
    turn = ask(page, "When does the kettle whistle?")
    expect(turn.locator(".turn-meta")).to_contain_text("simple · mock-0-10-0")
    expect(turn.locator(".answer-notes")).to_contain_text("mock-error-500")


def test_a_price_makes_a_cost_and_a_tiny_budget_a_quoted_answer(
    open_page, operator, tenant, stack, own_prices
):
    page = open_page(operator)
    add_kettle(tenant)
    page.goto("/operator/")
    page.get_by_role("link", name="Prices", exact=True).click()
    expect(page.locator(".alert-warn")).to_contain_text(stack.model)
    page.locator(".alert-warn").get_by_role("link", name=stack.model).click()
    page.get_by_label("Input").fill("1000")
    page.get_by_label("Output").fill("1000")
    page.get_by_role("button", name="Set price").click()
    expect(page.locator("#own-prices")).to_contain_text("$1,000.00")

    playground(page, tenant)
    turn = ask(page, "When does the kettle whistle?")
    expect(turn.locator(".turn-meta")).to_contain_text(re.compile(r"\$0\.\d\d"))

    page.goto(f"/operator/tenants/{tenant.slug}/")
    page.get_by_role("link", name="Set a budget").click()
    page.locator("#spender-tenant summary").click()
    page.get_by_label("Budget a day").fill("0.02")
    page.get_by_label("Budget a day").press("Enter")
    expect(page.locator("#spender-tenant")).to_contain_text("$0 of $0.02 a day")
    playground(page, tenant)
    turn = ask(page, "How often should I descale the kettle?")
    expect(turn.locator(".answer-badges")).to_contain_text("extractive")
    expect(turn.locator(".answer-notes")).to_contain_text("budget")


def test_an_emptied_cache_answers_anew(signed_in, tenant):
    page, question = signed_in, "When does the kettle whistle?"
    add_kettle(tenant)
    for cached in (0, 1):
        page.goto(f"/t/{tenant.slug}/playground/")
        turn = ask(page, question)
        expect(turn.get_by_text("sources unchanged")).to_have_count(cached)
    settings(page, tenant, "cache/")
    expect(page.get_by_role("row", name="Same words")).to_contain_text("50%")
    page.get_by_role("link", name="Empty the cache").click()
    expect(page.locator("form.card")).to_contain_text("1 kept answer will not be given again")
    page.get_by_role("button", name="Empty the cache").click()
    expect(page.locator(".toast")).to_contain_text("1 answer is given up")
    page.goto(f"/t/{tenant.slug}/playground/")
    expect(ask(page, question).get_by_text("sources unchanged")).to_have_count(0)


def test_a_setting_is_reset_without_losing_what_else_was_typed(signed_in, tenant):
    page = signed_in
    settings(page, tenant, "search/")
    page.get_by_label("Neighbours").fill("2")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Default: 0 passages")).to_be_visible()
    page.get_by_label("Candidates").fill("55")
    page.get_by_role("button", name="Reset Neighbours").click()
    expect(page.get_by_text("Back at the default here: Neighbours")).to_be_visible()
    expect(page.get_by_label("Neighbours")).to_have_value("0")
    expect(page.get_by_label("Candidates")).to_have_value("55")


def test_an_endpoint_is_added_with_models_of_its_list(open_page, operator, stack):
    page, name = open_page(operator), f"stub {uuid.uuid4().hex[:6]}"
    page.goto("/operator/models/new/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Address").fill(stack.model_url)
    page.get_by_label("API key").fill("secret")
    page.get_by_role("button", name="Test and list its models").click()
    expect(page.get_by_role("region", name=f"Models of {name}")).to_contain_text("mock")
    assert page.locator("#endpoint-models option").count() > 0
    expect(page.get_by_label("API key")).to_have_value("secret")
    for label in ("Small model", "Large model"):
        page.get_by_label(label).fill("mock")
    page.get_by_label("Large model").press("Enter")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    Provider.objects.filter(name=name).delete()


@pytest.fixture
def long_names(tenant, own_prices):
    key, _ = create_api_key(tenant=tenant, name="key-" * 25, scopes=["query"])
    set_budget(tenant=tenant, period="day", amount_usd="0.000001", api_key=key, actor="test")
    name = "mock-" + "name" * 25
    set_routes(tenant=tenant, tier="simple", models=[RoutedModel(name)], actor="test")
    set_price(tenant=None, model=name, input_usd="0.000001", actor="test")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_pages_fit_and_are_labelled(open_page, operator, tenant, long_names, size):
    page = open_page(operator, size=size)
    page.emulate_media(color_scheme="dark" if size == NARROW else "light")
    addresses = [f"/t/{tenant.slug}/settings/{section}" for section in SECTIONS]
    for address in (*addresses, "/operator/prices/?q=mini", "/operator/models/new/"):
        page.goto(address)
        for details in page.locator("main details summary").all():
            details.click()
        assert page.evaluate(SIDEWAYS) <= 0, address
        assert page.evaluate(UNLABELLED) == [], address
        assert page.evaluate(DUPLICATE_IDS) == [], address
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
