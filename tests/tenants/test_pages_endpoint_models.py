"""An endpoint's models with their prices, before it is saved; and who depends on it, before it goes."""

from __future__ import annotations

import html
import uuid

import pytest
from django.urls import reverse

from tenants.config import ModelEndpoint
from tenants.models import AuditEvent, ModelRoute, Provider
from tenants.prices import set_price
from tenants.providers import save_provider
from tenants.routes import RoutedModel, set_routes

SECRET = "sk-very-secret-value"


def endpoint(**changes: str) -> ModelEndpoint:
    values = {
        "name": f"endpoint {uuid.uuid4().hex[:8]}",
        "base_url": "http://127.0.0.1:9/v1",
        "api_key": "",
        "small_model": "mock",
        "large_model": "gpt-4o",
    }
    return ModelEndpoint(**(values | changes))


def list_models(client, provider=None, *, htmx=True, **entered) -> str:
    url = (
        reverse("operator-model", args=[provider.pk]) if provider else reverse("operator-new-model")
    )
    headers = {"HX-Request": "true"} if htmx else {}
    response = client.post(url, {"test": "1", **entered}, headers=headers)
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_models_are_listed_with_prices_before_anything_is_saved(shared_cast, model_url):
    set_price(tenant=None, model="mock", input_usd="0.4", output_usd=0, actor="test")
    before = Provider.objects.count()
    shown = list_models(shared_cast.client("operator"), base_url=model_url, small_model="mock")
    row = shown.split('<th scope="row" class="mono">mock</th>')[1].split("</tr>")[0]
    assert "small model" in row
    assert "$0.40" in row
    assert "set here" in row
    assert '<option value="mock"></option>' in shown
    assert Provider.objects.count() == before


def test_a_model_without_a_price_leads_to_where_it_is_set(shared_cast, model_url):
    shown = list_models(shared_cast.client("operator"), base_url=model_url)
    assert "unknown" in shown
    assert f"{reverse('operator-prices')}?model=" in shown


def test_without_javascript_the_page_comes_back_with_what_was_typed(shared_cast, model_url):
    client = shared_cast.client("operator")
    shown = list_models(client, htmx=False, name="Typed", base_url=model_url, small_model="mock")
    assert 'value="Typed"' in shown
    assert "<datalist" in shown
    assert "<html" in shown


@pytest.mark.parametrize(
    ("entered", "message"),
    [
        ({"base_url": ""}, "This field is required."),
        ({"base_url": "javascript:alert(1)"}, "begins with https"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "cannot be reached"),
    ],
)
def test_what_cannot_be_asked_says_why(shared_cast, entered, message):
    assert message in list_models(shared_cast.client("operator"), **entered)


def test_stored_key_is_not_sent_to_a_new_address_by_a_test_either(shared_cast, model_url):
    provider = save_provider(endpoint(api_key=SECRET), actor=shared_cast["operator"])
    shown = list_models(shared_cast.client("operator"), provider, base_url=model_url)
    assert "address has changed" in shown
    assert SECRET not in shown


def test_stored_key_is_used_for_its_own_address(shared_cast, model_url):
    wanted = endpoint(api_key=SECRET, base_url=model_url)
    provider = save_provider(wanted, actor=shared_cast["operator"])
    shown = list_models(shared_cast.client("operator"), provider, base_url=model_url)
    assert '<th scope="row" class="mono">mock</th>' in shown
    assert SECRET not in shown


def test_deleting_says_first_who_depends_on_it(cast):
    Provider.objects.filter(is_default=True).update(is_default=False)
    provider = save_provider(endpoint(), actor=cast["operator"])
    cast.tenant.provider = provider
    cast.tenant.save()
    models = [RoutedModel("mock", provider), RoutedModel("other")]
    set_routes(tenant=cast.neighbour_tenant, tier="simple", models=models, actor="test")
    client, url = cast.client("operator"), reverse("operator-delete-model", args=[provider.pk])
    shown = html.unescape(client.get(url).content.decode())
    assert "1 tenant that chose it" in shown
    assert "extractive answers" in shown
    assert "<strong>1 route</strong> of 1 tenant" in shown
    assert cast.tenant.name in shown
    assert cast.neighbour_tenant.name in shown
    assert Provider.objects.filter(pk=provider.pk).exists()
    client.post(url)
    left = ModelRoute.objects.filter(tenant=cast.neighbour_tenant)
    assert [row.model for row in left] == ["other"]
    event = AuditEvent.objects.get(action="provider.deleted", target=provider.name)
    assert event.detail == {"tenants_chose_it": 1, "routes_deleted": 1}


def test_deleting_names_the_endpoint_that_takes_over(cast):
    Provider.objects.filter(is_default=True).update(is_default=False)
    default = save_provider(endpoint(), actor=cast["operator"])
    Provider.objects.filter(pk=default.pk).update(is_default=True)
    provider = save_provider(endpoint(), actor=cast["operator"])
    cast.tenant.provider = provider
    cast.tenant.save()
    url = reverse("operator-delete-model", args=[provider.pk])
    shown = html.unescape(cast.client("operator").get(url).content.decode())
    assert f"will be answered by <strong>{default.name}</strong>" in shown
    default.delete()
