"""Prices and routes that are set here are in force for the next question, and noted."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from ragadmin.errors import InvalidRequest
from tenants.access import tenant_config
from tenants.models import AuditEvent, ModelPrice, Provider
from tenants.prices import list_prices, remove_price, set_price
from tenants.routes import RoutedModel, list_routes, set_routes
from tenants.services import create_tenant


@pytest.fixture
def model():
    """A name of this test alone, since the installation's prices are everybody's."""
    name = f"m-{uuid.uuid4().hex[:8]}"
    yield name
    ModelPrice.objects.filter(model=name).delete()


@pytest.fixture
def provider():
    row = Provider.objects.create(
        name=uuid.uuid4().hex, base_url="http://localhost:1/v1", small_model="s", large_model="l"
    )
    yield row
    row.delete()


def price_of(tenant, model):
    return next(each for each in tenant_config(tenant).prices if each.model == model)


def test_a_tenants_own_price_hides_the_installations(tenant, model):
    set_price(tenant=None, model=model, input_usd="1", output_usd="2", actor=None)
    assert price_of(tenant, model).input_usd == 1
    set_price(tenant=tenant, model=model, input_usd="0.15", output_usd="0.6", actor=None)
    own = price_of(tenant, model)
    assert (own.input_usd, own.output_usd) == (Decimal("0.15"), Decimal("0.6"))
    other = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    assert price_of(other, model).input_usd == 1
    owners = [row.tenant for row in list_prices(tenant) if row.model == model]
    assert owners == [tenant, None]
    assert remove_price(tenant=tenant, model=model, actor=None)
    assert not remove_price(tenant=tenant, model=model, actor=None)
    assert price_of(tenant, model).input_usd == 1


def test_setting_again_replaces_and_every_change_is_noted(tenant, model):
    for amount in ("1", "2"):
        set_price(tenant=tenant, model=f" {model} ", input_usd=amount, unit="calls", actor="me")
    remove_price(tenant=tenant, model=model, actor="me")
    events = AuditEvent.objects.filter(tenant=tenant, target=model).order_by("id")
    assert [event.action for event in events] == ["price.set", "price.set", "price.removed"]
    assert events[1].detail["input_usd"] == "2.000000"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"input_usd": "-1"}, "input_usd"),
        ({"input_usd": "nan"}, "input_usd"),
        ({"output_usd": "0.0000001"}, "output_usd"),
        ({"output_usd": 10**9}, "output_usd"),
        ({"unit": "minutes"}, "unit"),
        ({"unit": "calls", "output_usd": 1}, "output_usd"),
        ({"model": " "}, "model"),
        ({"model": "x" * 121}, "model"),
        ({"model": "a\0b"}, "model"),
    ],
)
def test_a_bad_price_names_the_field(tenant, model, change, field):
    with pytest.raises(InvalidRequest) as caught:
        set_price(**{"tenant": tenant, "model": model, "input_usd": 1, "actor": None, **change})
    assert caught.value.extra["field"] == field
    assert not ModelPrice.objects.filter(tenant=tenant).exists()


def test_routes_of_a_tier_are_tried_in_the_order_given(tenant, provider):
    wanted = [RoutedModel("big", provider), RoutedModel(" small ")]
    set_routes(tenant=tenant, tier="complex", models=wanted, actor="me")
    routes = [(each.tier, each.model) for each in tenant_config(tenant).routes]
    assert routes == [("complex", "big"), ("complex", "small")]
    [first, second] = tenant_config(tenant).routes
    assert first.endpoint and first.endpoint.name == provider.name
    assert second.endpoint is None
    set_routes(tenant=tenant, tier="complex", models=wanted[1:], actor="me")
    assert [each.model for each in tenant_config(tenant).routes] == ["small"]
    set_routes(tenant=tenant, tier="complex", models=[], actor="me")
    assert not any(list_routes(tenant).values())
    changes = AuditEvent.objects.filter(tenant=tenant, action="routes.set")
    assert changes.count() == 3


@pytest.mark.parametrize(
    ("tier", "models", "field"),
    [
        ("hard", ["a"], "tier"),
        ("simple", [""], "model"),
        ("simple", ["a", " a"], "models"),
        ("simple", list("abcdef"), "models"),
    ],
)
def test_a_bad_route_keeps_the_old_ones(tenant, tier, models, field):
    set_routes(tenant=tenant, tier="simple", models=[RoutedModel("kept")], actor=None)
    with pytest.raises(InvalidRequest) as caught:
        set_routes(tenant=tenant, tier=tier, models=list(map(RoutedModel, models)), actor=None)
    assert caught.value.extra["field"] == field
    assert list_routes(tenant)["simple"] == [RoutedModel("kept")]
