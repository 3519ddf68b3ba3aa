"""A price that was corrected, and the five components of one answer."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from monitoring.models import DailySpending, DailyUsage
from monitoring.rebuild import rebuild_usage
from monitoring.sums import add_up
from retrieval.models import QueryTrace
from retrieval.types import COST_COMPONENTS
from tenants.context import tenant_context
from tenants.models import ModelPrice
from tenants.prices import remove_price, set_price
from tests.monitoring.asking import QUESTIONS, ask_all, make_tenant
from tests.monitoring.ledger import roll_up_all
from tests.monitoring.test_rebuild import books
from tests.retrieval.query.conftest import MODEL


def replay(tenant, *options):
    out = StringIO()
    call_command("replay_prices", tenant.slug, "--json", *options, stdout=out)
    return json.loads(out.getvalue())[0]


def sums_of(tenant):
    return add_up(DailyUsage.objects.filter(tenant_id=tenant.pk))


def test_a_corrected_price_changes_answers_and_figures_alike(answered):
    roll_up_all()
    before = sums_of(answered)
    set_price(tenant=answered, model=MODEL, input_usd=2000, output_usd=4000, actor=None)
    said = replay(answered, "--dry-run")
    assert sums_of(answered) == before
    assert {**replay(answered), "kept_days": []} == said
    after = sums_of(answered)
    assert after.cost_usd == before.cost_usd * 2
    assert after.saved_cache_usd == before.saved_cache_usd * 2 > 0
    assert Decimal(said["after_usd"]) == Decimal(said["before_usd"]) * 2 == after.cost_usd
    spent = DailySpending.objects.filter(tenant_id=answered.pk)
    assert sum(row.cost_usd for row in spent) == after.cost_usd
    kept = books()
    rebuild_usage(answered)
    assert books() == kept
    assert replay(answered)["changed"] == 0


def test_a_price_that_is_taken_back_is_unknown_and_not_free(answered):
    remove_price(tenant=answered, model=MODEL, actor=None)
    said = replay(answered)
    assert (Decimal(said["after_usd"]), said["unknown_after"]) == (0, 3)
    sums = sums_of(answered)
    assert (sums.cost_usd, sums.unpriced, sums.cost_per_1000) == (0, 3, None)
    assert sum(row.unpriced for row in DailySpending.objects.filter(tenant_id=answered.pk)) == 3
    set_price(tenant=answered, model=MODEL, input_usd=0, output_usd=0, actor=None)
    replay(answered)
    assert sums_of(answered).unpriced == 0


@pytest.fixture(scope="module")
def itemised(django_db_setup, django_db_blocker):
    """One answer for which every part is paid, the local ones too."""
    with django_db_blocker.unblock():
        tenant = make_tenant()
        per_call = {"unit": ModelPrice.Unit.CALLS, "actor": None}
        set_price(tenant=tenant, model="search", input_usd=2, **per_call)
        set_price(tenant=tenant, model="rerank", input_usd=1, **per_call)
        named = tenant.embedding_model
        set_price(tenant=tenant, model=named, input_usd="0.1", actor=None)
        tenant.refresh_from_db()
        (answer,) = ask_all(
            tenant, QUESTIONS[:1], with_reranker=True, multi_query="on", rerank=True
        )
        roll_up_all()
    return tenant, answer


def test_all_five_components_of_an_answer_are_priced_and_summed_up(itemised):
    tenant, answer = itemised
    assert all(answer["cost_usd"][name] > 0 for name in COST_COMPONENTS)
    rows = DailySpending.objects.filter(tenant_id=tenant.pk)
    assert {row.component for row in rows} == set(COST_COMPONENTS)
    assert sum(row.cost_usd for row in rows) == sums_of(tenant).cost_usd
    assert float(sums_of(tenant).cost_usd) == pytest.approx(answer["cost_usd"]["total"])


def test_each_call_keeps_the_price_and_its_date(itemised):
    tenant, _ = itemised
    with tenant_context(tenant):
        calls = QueryTrace.objects.get().calls
    today = timezone.now().date().isoformat()
    assert {call["price"]["as_of"] for call in calls} == {today}
    assert {call["price"]["source"] for call in calls} == {"tenant"}
