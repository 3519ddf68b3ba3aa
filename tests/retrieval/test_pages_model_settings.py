"""Which models answer, as a tenant's admin sets it: endpoint, routes with fallbacks, instructions."""

from __future__ import annotations

import html
import uuid

import pytest
from django.urls import reverse

from retrieval.query.prompt import SYSTEM
from tenants.access import tenant_config
from tenants.budgets import set_budget
from tenants.models import Provider
from tenants.prices import set_price
from tenants.routes import MOST_MODELS, RoutedModel, list_routes, set_routes
from tests.retrieval.pages import sign_in


@pytest.fixture
def provider():
    return Provider.objects.create(
        name=f"stub {uuid.uuid4().hex[:8]}",
        base_url="http://127.0.0.1:9/v1",
        small_model="gpt-4o-mini",
        large_model="gpt-4o",
    )


@pytest.fixture
def admin(tenant):
    return sign_in(tenant, role="admin", levels=["public"])


def change(browser, tenant, action: str, model: str, *, htmx=False, **data):
    values = {"tier": "simple", "action": action, "model": model, "provider": ""} | data
    headers = {"HX-Request": "true", "HX-Target": "routes"} if htmx else {}
    url = reverse("settings-routes", args=[tenant.slug])
    return browser.post(url, values, headers=headers, follow=True)


def models(tenant, tier="simple") -> list[str]:
    return [each.model for each in list_routes(tenant)[tier]]


def text_of(response) -> str:
    return html.unescape(response.content.decode())


def page(browser, tenant) -> str:
    return text_of(browser.get(reverse("settings-models", args=[tenant.slug])))


def test_models_are_added_moved_and_removed(admin, tenant, provider):
    change(admin, tenant, "add", "first", provider=provider.pk)
    change(admin, tenant, "add", "second")
    assert list_routes(tenant)["simple"] == [RoutedModel("first", provider), RoutedModel("second")]
    assert "second is asked earlier" in text_of(change(admin, tenant, "up", "second", place=1))
    assert models(tenant) == ["second", "first"]
    change(admin, tenant, "down", "second", place=0)
    change(admin, tenant, "remove", "first", place=0, provider=provider.pk)
    assert models(tenant) == ["second"]
    assert [route.model for route in tenant_config(tenant).routes] == ["second"]


def test_htmx_gets_the_lists_alone(admin, tenant):
    response = change(admin, tenant, "add", "first", htmx=True)
    assert "<html" not in response.content.decode()
    assert "first is added" in response["HX-Trigger"]


def test_what_somebody_else_changed_meanwhile_is_not_changed_blindly(admin, tenant):
    set_routes(tenant=tenant, tier="simple", models=[RoutedModel("a"), RoutedModel("b")], actor="x")
    for action, model, place in (("remove", "b", 0), ("up", "a", 0), ("remove", "a", 9)):
        said = text_of(change(admin, tenant, action, model, place=place))
        assert "changed by somebody else meanwhile" in said
    assert models(tenant) == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"model": ""}, "This field is required."),
        ({"model": "a"}, "named twice"),
        ({"model": "b\x07"}, "as its endpoint lists it"),
        ({"provider": "999999999"}, "Select a valid choice"),
    ],
)
def test_bad_model_is_told_in_its_tier_with_what_was_typed(admin, tenant, data, message):
    set_routes(tenant=tenant, tier="simple", models=[RoutedModel("a")], actor="x")
    shown = text_of(change(admin, tenant, "add", **({"model": "typed"} | data)))
    assert message in shown
    assert shown.count("<details open>") == 1
    assert models(tenant) == ["a"]


@pytest.mark.parametrize("data", [{"tier": "none"}, {"action": "explode"}, {"place": "x"}])
def test_nonsense_changes_nothing(admin, tenant, data):
    values = {"action": "add", "model": "a"} | data
    assert change(admin, tenant, **values).status_code == 200
    assert models(tenant) == []


def test_a_full_tier_offers_no_more(admin, tenant):
    full = [RoutedModel(f"m{number}") for number in range(MOST_MODELS)]
    set_routes(tenant=tenant, tier="simple", models=full, actor="x")
    assert page(admin, tenant).count("Set a model") == 3
    change(admin, tenant, "add", "more")
    assert len(models(tenant)) == MOST_MODELS


def test_what_answers_without_routes_is_shown_with_prices(admin, tenant, provider):
    tenant.provider = provider
    tenant.save()
    shown = page(admin, tenant)
    assert shown.count("Nothing is set, so the endpoint's own models answer") == 4
    assert "$0.15 / $0.60 per 1M tokens" in shown


def test_without_any_endpoint_answers_are_said_to_be_quoted(admin, tenant):
    Provider.objects.filter(is_default=True).update(is_default=False)
    assert "Answers are extractive" in page(admin, tenant)


def test_unknown_price_is_marked_because_budgets_refuse_it(admin, tenant):
    name = f"unheard-of-{uuid.uuid4().hex}"
    set_routes(tenant=tenant, tier="simple", models=[RoutedModel(name)], actor="x")
    assert "a budget would refuse it" in page(admin, tenant)
    set_budget(tenant=tenant, period="day", amount_usd=1, actor="x")
    assert "not asked, since a budget is in force" in page(admin, tenant)
    set_price(tenant=tenant, model=name, input_usd=0, actor="x")
    shown = page(admin, tenant)
    assert "Price unknown" not in shown
    assert "set for this tenant" in shown


def test_endpoint_is_chosen_and_given_back(admin, tenant, provider):
    url = reverse("settings-endpoint", args=[tenant.slug])
    said = text_of(admin.post(url, {"provider": provider.pk}, follow=True))
    assert f"Endpoint: the installation's default → {provider.name}" in said
    tenant.refresh_from_db()
    assert tenant.provider == provider
    admin.post(url, {"provider": ""})
    tenant.refresh_from_db()
    assert tenant.provider is None
    assert "Select a valid choice" in text_of(admin.post(url, {"provider": "999999999"}))


def test_instructions_are_shown_where_they_stand_in_the_prompt(admin, tenant):
    url = reverse("settings-models", args=[tenant.slug])
    data = {
        "simple_passages": "2", "simple_words": "20", "moderate_passages": "5",
        "answer_tokens": "1024", "first_token_seconds": "20", "temperature": "0.3",
        "instructions": "Say <b>you</b>.",
    }  # fmt: skip
    raw = admin.post(url, data, follow=True).content.decode()
    assert "Say &lt;b&gt;you&lt;/b&gt;.</mark>" in raw
    assert SYSTEM.splitlines()[0] in html.unescape(raw)
    query = tenant_config(tenant).query
    assert (query.instructions, query.temperature) == ("Say <b>you</b>.", 0.3)


@pytest.mark.parametrize("role", ["member", None])
def test_others_change_no_routes(tenant, role):
    browser = sign_in(tenant if role else None, role=role or "owner", levels=["public"])
    assert change(browser, tenant, "add", "a").status_code in (403, 404)
    assert browser.get(reverse("settings-models", args=[tenant.slug])).status_code in (403, 404)
    assert models(tenant) == []
