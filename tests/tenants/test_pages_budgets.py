"""Budgets and limits as pages show and set them: the operator's for the tenant, the admins' for keys."""

from __future__ import annotations

import html
from decimal import Decimal

import pytest
from django.urls import reverse

from tenants.budget_figures import today_in
from tenants.budgets import budget_figures, set_budget
from tenants.keys import create_api_key, revoke_api_key
from tenants.models import AuditEvent, BudgetPeriod


@pytest.fixture
def key(cast):
    return create_api_key(tenant=cast.tenant, name="Help desk", scopes=["query"])[0]


def save(cast, name: str, /, key=None, **data):
    if key:
        data["key"] = str(key.pk)
    url = reverse("settings-budget", args=[cast.tenant.slug])
    return cast.client(name).post(url, data, follow=True)


def post_key(cast, key: str) -> int:
    url = reverse("settings-budget", args=[cast.tenant.slug])
    return cast.client("admin").post(url, {"key": key, "day": "5"}).status_code


def text_of(response) -> str:
    return html.unescape(response.content.decode())


def page(cast, name: str = "admin") -> str:
    return text_of(cast.client(name).get(reverse("settings-budget", args=[cast.tenant.slug])))


def amounts(cast) -> dict:
    return {(one.key_name, one.period): one.amount_usd for one in budget_figures(cast.tenant)}


def spend(budget, amount: str) -> None:
    today = today_in("UTC")
    starts_on = today.day if budget.period == "day" else today.month
    BudgetPeriod.objects.create(budget=budget, starts_on=starts_on, spent_usd=Decimal(amount))


def test_operator_sets_changes_and_removes_the_tenants_budget(cast):
    assert "Budget a month: none → $50.00" in text_of(save(cast, "operator", month="50"))
    assert "Budget a day: none → $2.50" in text_of(save(cast, "operator", day="2.5", month="50"))
    assert amounts(cast) == {("", "day"): Decimal("2.5"), ("", "month"): 50}
    assert "Budget a month: $50.00 → none" in text_of(save(cast, "operator", day="2.5", month=""))
    assert amounts(cast) == {("", "day"): Decimal("2.5")}


@pytest.mark.parametrize("name", ["owner", "admin"])
def test_the_tenants_own_people_see_its_budget_and_cannot_change_it(cast, name):
    set_budget(tenant=cast.tenant, period="month", amount_usd=10, actor="test")
    shown = page(cast, name)
    assert "of $10.00 a month" in shown
    assert "The operator of this installation sets this budget" in shown
    assert 'name="month"' not in shown
    assert save(cast, name, month="1000").status_code == 403
    assert amounts(cast) == {("", "month"): 10}


def test_admin_sets_a_keys_budget_and_limit_in_one_go(cast, key):
    said = text_of(save(cast, "admin", key, day="0.5", questions_per_minute="20"))
    assert "Help desk: Budget a day: none → $0.50" in said
    assert "Help desk: Questions per minute: no limit → 20" in said
    key.refresh_from_db()
    assert (amounts(cast), key.questions_per_minute) == ({("Help desk", "day"): Decimal("0.5")}, 20)
    actions = set(AuditEvent.objects.filter(tenant=cast.tenant).values_list("action", flat=True))
    assert {"budget.set", "api_key.limited"} <= actions


@pytest.mark.parametrize("value", ["0", "-1", "nan", "1e12", "0.0000001", "ten"])
def test_bad_amount_is_told_where_it_was_typed_and_nothing_is_saved(cast, key, value):
    response = save(cast, "admin", key, day=value, month="5", questions_per_minute="7")
    shown = text_of(response)
    assert f'id="id_{key.pk}_day_error"' in shown
    assert "<details open>" in shown
    assert 'value="7"' in shown
    key.refresh_from_db()
    assert (amounts(cast), key.questions_per_minute) == ({}, None)


@pytest.mark.parametrize(
    ("spent", "words"),
    [
        ("6.9", None),
        ("7", "the small model answers"),
        ("8.5", "from fewer passages"),
        ("9.5", "answers come from the cache or are quoted"),
        ("10", "nothing is answered until it begins anew"),
    ],
)
def test_the_bar_says_what_the_budget_does_now(cast, spent, words):
    spend(set_budget(tenant=cast.tenant, period="day", amount_usd=10, actor="test"), spent)
    bar = page(cast).split('class="budget"')[1].split("</details>")[0].split("spender")[0]
    assert f'width="{float(spent) * 10:.2f}"' in bar
    assert (words in bar) if words else ("badge" not in bar)


def test_days_end_at_the_tenants_midnight(cast):
    cast.tenant.timezone = "Pacific/Kiritimati"
    cast.tenant.save(update_fields=["timezone"])
    at = today_in("Pacific/Kiritimati").resets_at("day")
    assert f"{at.day} {at:%B %Y}, 00:00" in page(cast)


def test_revoked_and_foreign_keys_have_no_budget_to_set(cast, key):
    foreign = create_api_key(tenant=cast.neighbour_tenant, name="Theirs", scopes=["query"])[0]
    revoke_api_key(key, actor="test")
    for one in (key, foreign):
        assert save(cast, "admin", one, day="5").status_code == 404
    assert post_key(cast, "nonsense") == 404
    assert "Theirs" not in page(cast)
    assert "No keys yet" in page(cast)


@pytest.mark.parametrize("name", ["member", "stranger", "neighbour", "nobody"])
def test_others_neither_see_nor_set(cast, key, name):
    url = reverse("settings-budget", args=[cast.tenant.slug])
    assert cast.client(name).get(url).status_code in (302, 403, 404)
    save(cast, name, key, day="5")
    assert amounts(cast) == {}


def test_operators_page_of_the_tenant_has_its_budget(cast):
    url = reverse("operator-tenant", args=[cast.tenant.slug])
    client = cast.client("operator")
    assert "is not limited" in text_of(client.get(url))
    set_budget(tenant=cast.tenant, period="month", amount_usd=10, actor="test")
    assert "of $10.00 a month" in text_of(client.get(url))
