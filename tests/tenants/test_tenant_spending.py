"""A tenant's budgets, prices and routes go with it: into an archive, and away."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from retrieval.query.budget import open_purse
from tenants.archive.manifest import ArchiveError
from tenants.budget_figures import today_in
from tenants.budgets import budget_figures, set_budget
from tenants.configure import update_tenant
from tenants.keys import create_api_key
from tenants.models import (
    Budget,
    BudgetPeriod,
    BudgetReservation,
    ModelPrice,
    ModelRoute,
    Provider,
    Tenant,
)
from tenants.pool import close_pool
from tenants.prices import set_price
from tenants.removal import remove_tenant
from tenants.routes import RoutedModel, list_routes, set_routes
from tests.retrieval.query.budgets import asker
from tests.tenants.archives import export, import_, new_slug, new_tenant, rewrite


@pytest.fixture
def provider():
    row = Provider.objects.create(
        name=f"p-{uuid.uuid4().hex[:8]}",
        base_url="http://localhost:1/v1",
        api_key_encrypted="sealed-credential",
        small_model="s",
        large_model="l",
    )
    yield row
    row.delete()


def spending_tenant(provider):
    tenant = new_tenant()
    update_tenant(
        tenant=tenant,
        actor=None,
        timezone="Asia/Tokyo",
        questions_per_minute=90,
        query_settings={"multi_query": "auto", "instructions": "Be brief."},
    )
    tenant.refresh_from_db()
    budget = set_budget(tenant=tenant, period="day", amount_usd="5", actor=None)
    period = BudgetPeriod.objects.create(
        budget=budget, starts_on=today_in("Asia/Tokyo").day, spent_usd=2, reserved_usd=1
    )
    BudgetReservation.objects.create(
        period=period, answer_id=uuid.uuid4(), amount_usd=1, expires_at=timezone.now()
    )
    key, _ = create_api_key(tenant=tenant, name="site", scopes=["query"], questions_per_minute=7)
    set_budget(tenant=tenant, period="month", amount_usd="1.5", api_key=key, actor=None)
    set_price(tenant=tenant, model="m", input_usd="0.15", output_usd="0.6", actor=None)
    models = [RoutedModel("big", provider), RoutedModel("m")]
    set_routes(tenant=tenant, tier="complex", models=models, actor=None)
    return tenant


def test_an_archive_carries_what_was_set_and_not_what_was_spent(tmp_path, provider):
    path = export(spending_tenant(provider), tmp_path)
    imported = import_(path, slug=new_slug()).tenant
    assert (imported.timezone, imported.questions_per_minute) == ("Asia/Tokyo", 90)
    assert imported.query_settings == {"multi_query": "auto", "instructions": "Be brief."}
    [figure] = budget_figures(imported)
    assert (figure.period, figure.amount_usd, figure.api_key_id) == ("day", 5, None)
    assert (figure.spent_usd, figure.reserved_usd) == (0, 0)
    assert list_routes(imported)["complex"] == [RoutedModel("big", provider), RoutedModel("m")]
    price = ModelPrice.objects.get(tenant=imported)
    assert (price.model, price.input_usd, price.output_usd) == (
        "m",
        Decimal("0.15"),
        Decimal("0.6"),
    )


def test_an_archive_names_endpoints_and_keys_with_their_limits_and_holds_no_credential(
    tmp_path, provider
):
    path = export(spending_tenant(provider), tmp_path)
    seen = {}
    rewrite(path, lambda files: seen.update(files))
    access = json.loads(seen["access.json"])
    assert access["api_keys"] == [
        {
            "name": "site",
            "scopes": ["query"],
            "access_levels": ["public", "internal"],
            "questions_per_minute": 7,
            "budgets": [{"period": "month", "amount_usd": "1.500000"}],
        }
    ]
    rewrite(path, change_manifest=lambda manifest: seen.update(manifest=manifest))
    assert seen["manifest"]["tenant"]["spending"]["routes"][0]["provider"] == provider.name
    assert b"sealed-credential" not in b"".join(v for v in seen.values() if isinstance(v, bytes))
    assert "sealed-credential" not in json.dumps(seen["manifest"])


def test_routes_to_an_endpoint_that_is_not_here_are_left_out_and_told(tmp_path, provider):
    path = export(spending_tenant(provider), tmp_path)
    Provider.objects.filter(pk=provider.pk).update(name=f"other-{uuid.uuid4().hex[:8]}")
    report = import_(path, slug=new_slug())
    assert list_routes(report.tenant)["complex"] == [RoutedModel("m")]
    assert any(provider.name in note for note in report.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"query_settings": {"rewrites": 99}},
        {"query_settings": []},
        {"timezone": "Nowhere/Atlantis"},
        {"questions_per_minute": -1},
        {"raised_threshold": "high"},
        {"spending": None},
        {"spending": {"budgets": [{"period": "year", "amount_usd": "1"}], "routes": [], "prices": []}},
        {"spending": {"budgets": [{"period": "day", "amount_usd": "-1"}], "routes": [], "prices": []}},
        {"spending": {"budgets": [{"period": "day", "amount_usd": "nan"}], "routes": [], "prices": []}},
        {"spending": {"budgets": [{"period": "day", "amount_usd": "1"}] * 2, "routes": [], "prices": []}},
        {"spending": {"budgets": [], "routes": [{"tier": "simple"}], "prices": []}},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_import_nothing(tmp_path, change):
    path = export(new_tenant(), tmp_path)
    changed = rewrite(path, change_manifest=lambda manifest: manifest["tenant"].update(change))
    slug = new_slug()
    with pytest.raises(ArchiveError):
        import_(changed, slug=slug)
    assert not Tenant.objects.filter(slug=slug).exists()


def test_a_setting_that_is_none_any_more_is_dropped(tmp_path):
    path = export(new_tenant(), tmp_path)
    settings = {"query_settings": {"of_another_version": 1, "neighbours": 2}}
    changed = rewrite(path, change_manifest=lambda manifest: manifest["tenant"].update(settings))
    assert import_(changed, slug=new_slug()).tenant.query_settings == {"neighbours": 2}


def test_a_deleted_tenants_budgets_prices_and_routes_are_counted_and_gone(provider):
    tenant = spending_tenant(provider)
    report = remove_tenant(tenant=tenant, actor=None)
    counted = {kind: report.before[kind] for kind in ("budgets", "model prices", "model routes")}
    assert counted == {"budgets": 2, "model prices": 1, "model routes": 2}
    assert report.is_complete
    for model in (Budget, ModelPrice, ModelRoute):
        assert not model.objects.filter(tenant_id=tenant.pk).exists()
    orphans = BudgetReservation.objects.exclude(period__budget__tenant__in=Tenant.objects.all())
    assert not orphans.exists()


def test_a_tenant_is_deleted_while_questions_reserve():
    tenant = new_tenant()
    set_budget(tenant=tenant, period="day", amount_usd=1000, actor=None)
    caller = asker(tenant)
    stop, reserved, errors = threading.Event(), [], []

    async def reserve_on():
        purse = await open_purse(caller)
        while not stop.is_set():
            reserved.append(await purse.reserve(str(uuid.uuid4()), Decimal("0.001")))
        await close_pool()

    def run():
        try:
            asyncio.run(reserve_on())
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        connection.close()

    asking = threading.Thread(target=run)
    asking.start()
    while len(reserved) < 50:
        asking.join(0.01)
    report = remove_tenant(tenant=tenant, actor=None)
    count = len(reserved)
    while len(reserved) < count + 20 and asking.is_alive():
        asking.join(0.01)
    stop.set()
    asking.join()
    assert errors == []
    assert report.is_complete
    assert not BudgetPeriod.objects.exclude(budget__tenant__in=Tenant.objects.all()).exists()
