"""The operator's page of prices: set for all or for one tenant, found among the published, removed."""

from __future__ import annotations

import html
import uuid
from decimal import Decimal

import pytest
from django.urls import reverse

from retrieval.query.pricing import find_price
from tenants.access import tenant_config
from tenants.models import AuditEvent, ModelPrice, Provider
from tenants.prices import set_price


@pytest.fixture
def model():
    return f"model-{uuid.uuid4().hex[:10]}"


def post(cast, who: str = "operator", /, **data) -> str:
    values = {"model": "m", "tenant": "", "unit": "tokens", "input_usd": "1", "output_usd": "2"}
    response = cast.client(who).post(reverse("operator-prices"), values | data, follow=True)
    return html.unescape(response.content.decode())


def get(cast, **query) -> str:
    response = cast.client("operator").get(reverse("operator-prices"), query)
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def charged(tenant, model):
    found = find_price(tenant_config(tenant), model)
    return found and (found.input_usd, found.output_usd, found.source)


def test_price_for_all_is_what_every_tenant_is_charged(shared_cast, model):
    said = post(shared_cast, model=model, input_usd="0.5", output_usd="1.25")
    assert f"{model} costs $0.5 and $1.25 for all tenants now." in said
    for tenant in (shared_cast.tenant, shared_cast.neighbour_tenant):
        assert charged(tenant, model) == (Decimal("0.5"), Decimal("1.25"), "installation")


def test_price_for_one_tenant_goes_before_and_stays_with_it(shared_cast, model):
    post(shared_cast, model=model)
    post(shared_cast, model=model, tenant=shared_cast.tenant.slug, input_usd="7")
    assert charged(shared_cast.tenant, model) == (7, 2, "tenant")
    assert charged(shared_cast.neighbour_tenant, model) == (1, 2, "installation")


def test_the_same_again_replaces_it(shared_cast, model):
    post(shared_cast, model=model)
    post(shared_cast, model=model, input_usd="3")
    assert ModelPrice.objects.get(model=model).input_usd == 3


def test_nothing_is_a_price(shared_cast, model):
    post(shared_cast, model=model, input_usd="0", output_usd="0")
    assert charged(shared_cast.tenant, model) == (0, 0, "installation")
    assert get(shared_cast, filter=model).count("$0") >= 2


def test_calls_have_one_price(shared_cast, model):
    text = post(shared_cast, model=model, unit="calls", input_usd="2", output_usd="0")
    assert "1,000 calls" in text
    text = post(shared_cast, model=model, unit="calls", output_usd="1")
    assert "What is paid by the call has one price" in text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"model": ""}, "This field is required."),
        ({"model": "a\nb\x07"}, "as its endpoint lists it"),
        ({"input_usd": "-1"}, "greater than or equal to 0"),
        ({"input_usd": "nan"}, "Enter a number."),
        ({"input_usd": "1e9"}, "US dollars from 0"),
        ({"input_usd": "0.0000001"}, "six decimal places"),
        ({"output_usd": ""}, "This field is required."),
        ({"unit": "words"}, "Select a valid choice"),
        ({"tenant": "no-such-tenant"}, "no tenant with the slug"),
    ],
)
def test_bad_price_is_told_at_its_field_and_what_was_typed_stays(shared_cast, model, data, message):
    text = post(shared_cast, **{"model": model, **data})
    assert message in text
    assert f'value="{model}"' in text or "model" in data
    assert not ModelPrice.objects.filter(model=model).exists()


def test_removing_brings_the_published_price_back(shared_cast):
    row = set_price(tenant=shared_cast.tenant, model="gpt-4o", input_usd=9, actor="test")
    client, url = shared_cast.client("operator"), reverse("operator-remove-price")
    said = client.post(url, {"price": row.pk}, follow=True).content.decode()
    assert "the published price counts again" in said
    assert charged(shared_cast.tenant, "gpt-4o") == (Decimal("2.5"), 10, "published")
    assert AuditEvent.objects.filter(action="price.removed", tenant=shared_cast.tenant).exists()


@pytest.mark.parametrize("number", ["", "0", "x", "9" * 40])
def test_removing_what_is_not_there_says_so(shared_cast, number):
    client, url = shared_cast.client("operator"), reverse("operator-remove-price")
    response = client.post(url, {"price": number}, follow=True)
    assert "was removed already" in response.content.decode()


def test_prices_are_filtered_by_model_and_tenant(shared_cast, model):
    post(shared_cast, model=model, tenant=shared_cast.tenant.slug)
    for text in (model, shared_cast.tenant.slug):
        assert f'<th scope="row" class="mono">{model}</th>' in get(shared_cast, filter=text)
    assert "Nothing matches" in get(shared_cast, filter="no such thing")


def test_published_prices_are_searched_and_taken_over_into_the_form(shared_cast):
    page = get(shared_cast, q="openai gpt-4o mini")
    assert "model=gpt-4o-mini&input_usd=0.15&output_usd=0.6" in page
    page = get(shared_cast, model="gpt-4o-mini", input_usd="0.15", output_usd="0.6")
    assert 'value="gpt-4o-mini"' in page
    assert "No published price" in get(shared_cast, q="no such model")


def test_model_in_use_without_a_price_is_named_until_it_has_one(shared_cast, model):
    Provider.objects.create(
        name=model, base_url="http://127.0.0.1:9/v1", small_model=model, large_model="gpt-4o"
    )
    warning = f'href="?model={model}#set-price"'
    assert warning in get(shared_cast)
    assert warning not in post(shared_cast, model=model, input_usd="0", output_usd="0")


@pytest.mark.parametrize("name", ["owner", "member", "stranger"])
def test_prices_are_the_operators_alone(shared_cast, name, model):
    client = shared_cast.client(name)
    row = set_price(tenant=None, model=model, input_usd=1, actor="test")
    assert client.get(reverse("operator-prices")).status_code == 404
    assert client.post(reverse("operator-prices"), {"model": "x"}).status_code == 404
    assert client.post(reverse("operator-remove-price"), {"price": row.pk}).status_code == 404
    assert ModelPrice.objects.filter(pk=row.pk).exists()
