"""Budgets are set by operators, those of keys by a tenant's admins, in the console and over the API."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from ragadmin.errors import InvalidRequest, NotFound
from tenants.budget_figures import today_in
from tenants.budgets import (
    budget_figures,
    give_back_lapsed,
    remove_budget,
    set_budget,
    set_budgets,
)
from tenants.keys import create_api_key, revoke_api_key
from tenants.models import AuditEvent, Budget, BudgetPeriod, BudgetReservation
from tenants.services import create_tenant

PATH = "/api/v1/budget/"


@pytest.fixture
def admin_key(tenant):
    return create_api_key(tenant=tenant, name="admin", scopes=["admin"])


def api_of(path, key):
    def call(method, budgets=None):
        body = None if budgets is None else {"budgets": budgets}
        kind = {} if method == "get" else {"content_type": "application/json"}
        headers = {"Authorization": f"Bearer {key}"}
        return getattr(Client(), method)(path, body, headers=headers, **kind)

    return call


@pytest.fixture
def api(tenant):
    """An operator's."""
    _, key = create_api_key(tenant=None, name="operator", scopes=["operator"])
    return api_of(f"/api/v1/tenants/{tenant.slug}/budget/", key)


@pytest.fixture
def admin_api(admin_key):
    return api_of(PATH, admin_key[1])


def spend(budget, spent, reserved=0, *, lapsed=False):
    starts_on = today_in(budget.tenant.timezone).day
    period = BudgetPeriod.objects.create(
        budget=budget, starts_on=starts_on, spent_usd=spent, reserved_usd=reserved
    )
    if reserved:
        expires_at = timezone.now() + timedelta(minutes=-1 if lapsed else 10)
        BudgetReservation.objects.create(
            period=period, answer_id=uuid.uuid4(), amount_usd=reserved, expires_at=expires_at
        )
    return period


def test_figures_are_of_the_present_period(tenant):
    budget = set_budget(tenant=tenant, period="day", amount_usd="5", actor=None)
    yesterday = today_in("UTC").day - timedelta(days=1)
    BudgetPeriod.objects.create(budget=budget, starts_on=yesterday, spent_usd=3)
    spend(budget, Decimal("1.5"), Decimal("2.5"))
    [figure] = budget_figures(tenant)
    assert (figure.spent_usd, figure.reserved_usd) == (Decimal("1.5"), Decimal("2.5"))
    assert figure.step == "small_model"
    [tomorrow] = budget_figures(tenant, timezone.now() + timedelta(days=1))
    assert tomorrow.spent_usd == 0


def test_setting_again_changes_the_amount_and_keeps_what_was_spent(tenant):
    spend(set_budget(tenant=tenant, period="day", amount_usd=5, actor="me"), 2)
    set_budget(tenant=tenant, period="day", amount_usd=8, actor="me")
    set_budget(tenant=tenant, period="day", amount_usd="8.00", actor="me")
    [figure] = budget_figures(tenant)
    assert (figure.amount_usd, figure.spent_usd) == (8, 2)
    events = AuditEvent.objects.filter(tenant=tenant, action="budget.set").order_by("id")
    assert [event.detail["amount_usd"] for event in events] == [
        ["", "5.000000"],
        ["5.000000", "8.000000"],
    ]


def test_removing_takes_the_figures_with_it_and_is_noted(tenant):
    spend(set_budget(tenant=tenant, period="day", amount_usd=5, actor=None), 1, 1)
    assert remove_budget(tenant=tenant, period="day", actor="me")
    assert not remove_budget(tenant=tenant, period="day", actor="me")
    assert not BudgetReservation.objects.filter(period__budget__tenant=tenant).exists()
    assert AuditEvent.objects.filter(tenant=tenant, action="budget.removed").count() == 1


@pytest.mark.parametrize(
    "amount",
    [0, -1, "nan", "inf", "", "five", True, None, "0.0000001", "1e30", "1.2345678", [], "1,5"],
)
def test_what_is_no_amount_is_refused(tenant, amount):
    with pytest.raises(InvalidRequest) as caught:
        set_budget(tenant=tenant, period="day", amount_usd=amount, actor=None)
    assert caught.value.extra["field"] == "amount_usd"
    assert not Budget.objects.filter(tenant=tenant).exists()


def test_a_period_is_a_day_or_a_month(tenant):
    with pytest.raises(InvalidRequest):
        set_budget(tenant=tenant, period="year", amount_usd=1, actor=None)


def test_another_tenants_key_gets_no_budget_here(tenant, cast):
    theirs, _ = create_api_key(tenant=cast.tenant, name="x", scopes=["query"])
    with pytest.raises(NotFound):
        set_budget(tenant=tenant, period="day", amount_usd=1, api_key=theirs, actor=None)
    with pytest.raises(NotFound):
        wanted = [{"period": "day", "amount_usd": 1, "api_key": theirs.pk}]
        set_budgets(tenant=tenant, wanted=wanted, actor=None)


def test_a_revoked_keys_budget_is_not_shown(tenant):
    row, _ = create_api_key(tenant=tenant, name="x", scopes=["query"])
    set_budget(tenant=tenant, period="day", amount_usd=1, api_key=row, actor=None)
    assert [figure.key_name for figure in budget_figures(tenant)] == ["x"]
    revoke_api_key(row, actor=None)
    assert budget_figures(tenant) == []


def test_lapsed_reservations_are_not_counted_and_given_back_once(tenant):
    budget = set_budget(tenant=tenant, period="day", amount_usd=5, actor=None)
    period = spend(budget, 1, 2, lapsed=True)
    assert budget_figures(tenant)[0].reserved_usd == 0

    def give_back(_):
        try:
            return give_back_lapsed()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(give_back, range(8))) == 1
    period.refresh_from_db()
    assert (period.spent_usd, period.reserved_usd) == (1, 0)


def test_the_api_shows_and_changes_budgets(api, tenant, admin_key):
    assert api("get").json() == {"timezone": "UTC", "budgets": []}
    key_id = str(admin_key[0].pk)
    wanted = [
        {"period": "day", "amount_usd": "5.00"},
        {"period": "month", "amount_usd": 2, "api_key": key_id},
    ]
    shown = api("patch", wanted).json()["budgets"]
    assert [(each["scope"], each["period"], each["amount_usd"]) for each in shown] == [
        ("tenant", "day", 5.0),
        ("key", "month", 2.0),
    ]
    assert shown[1]["api_key"] == key_id
    assert set(shown[0]) == {
        "scope", "api_key", "key_name", "period", "amount_usd", "spent_usd", "reserved_usd",
        "share", "step", "resets_at",
    }  # fmt: skip
    spend(Budget.objects.get(tenant=tenant, period="day"), Decimal("4.5"))
    [first, _] = api("get").json()["budgets"]
    assert (first["spent_usd"], first["share"], first["step"]) == (4.5, 0.9, "fewer_passages")
    assert api("patch", [{"period": "day", "amount_usd": None}]).status_code == 200
    assert [each["period"] for each in api("get").json()["budgets"]] == ["month"]


def test_put_leaves_only_what_it_names(api):
    api("patch", [{"period": "day", "amount_usd": 5}, {"period": "month", "amount_usd": 50}])
    shown = api("put", [{"period": "month", "amount_usd": 60}]).json()["budgets"]
    assert [(each["period"], each["amount_usd"]) for each in shown] == [("month", 60.0)]
    assert api("put", []).json()["budgets"] == []


@pytest.mark.parametrize(
    "budgets",
    [
        [{"period": "year", "amount_usd": 1}],
        [{"period": "day"}],
        [{"period": "day", "amount_usd": -1}],
        [{"period": "day", "amount_usd": "nan"}],
        [{"period": "day", "amount_usd": 1, "colour": "red"}],
        [{"period": "day", "amount_usd": 1}, {"period": "day", "amount_usd": 2}],
        [{"period": "day", "amount_usd": 1}] * 201,
        "all of it",
    ],
)
def test_a_bad_change_changes_nothing(api, tenant, budgets):
    api("patch", [{"period": "month", "amount_usd": 50}])
    for method in ("patch", "put"):
        assert api(method, budgets).status_code == 400
    assert [row.period for row in Budget.objects.filter(tenant=tenant)] == ["month"]


def test_an_admin_sets_budgets_of_keys_and_not_the_tenants(api, admin_api, admin_key, tenant):
    api("patch", [{"period": "month", "amount_usd": 50}])
    own = {"period": "day", "amount_usd": 2, "api_key": str(admin_key[0].pk)}
    for wanted in (51, 49, None):
        refused = [own, {"period": "month", "amount_usd": wanted}]
        assert {admin_api(method, refused).status_code for method in ("patch", "put")} == {403}
    assert admin_api("patch", [{"period": "day", "amount_usd": 1}]).status_code == 403
    assert Budget.objects.get(tenant=tenant).amount_usd == 50
    shown = admin_api("patch", [own]).json()["budgets"]
    assert [(each["scope"], each["amount_usd"]) for each in shown] == [("tenant", 50), ("key", 2)]
    assert admin_api("put", [{"period": "month", "amount_usd": "50.00"}]).status_code == 200
    assert admin_api("put", []).json()["budgets"] == api("get").json()["budgets"]
    assert [row.period for row in Budget.objects.filter(tenant=tenant)] == ["month"]


def test_budgets_of_any_tenant_are_for_operators(admin_key, tenant):
    call = api_of(f"/api/v1/tenants/{tenant.slug}/budget/", admin_key[1])
    assert call("get").status_code == 403
    assert call("put", []).status_code == 403


def test_budgets_are_for_admins_of_the_tenant(tenant, cast):
    other = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    _, key = create_api_key(tenant=other, name="q", scopes=["query", "ingest"])
    headers = {"Authorization": f"Bearer {key}"}
    assert Client().get(PATH, headers=headers).status_code == 403
    for name, status in {"member": 403, "admin": 200, "stranger": 404, "nobody": 401}.items():
        found = cast.client(name).get(PATH, headers={"X-Ragadmin-Tenant": cast.tenant.slug})
        assert found.status_code == status, name
