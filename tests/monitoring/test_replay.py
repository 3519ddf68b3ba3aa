"""A price that was corrected, and the five components of one answer."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from monitoring.dashboards import tenant_dashboard
from monitoring.models import DailySpending, DailyUsage
from monitoring.periods import named
from monitoring.rebuild import rebuild_usage
from monitoring.sums import add_up
from retrieval.models import QueryTrace
from retrieval.types import COST_COMPONENTS
from tenants.context import tenant_context
from tenants.models import ModelPrice
from tenants.prices import remove_price, set_price
from tests.monitoring.asking import QUESTIONS, ask_all, make_tenant
from tests.monitoring.ledger import fleet_sums, roll_up_all
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
    counter = fleet_sums().cost_usd
    remove_price(tenant=answered, model=MODEL, actor=None)
    said = replay(answered)
    assert (Decimal(said["after_usd"]), said["unknown_after"]) == (0, 3)
    sums = sums_of(answered)
    assert (sums.cost_usd, sums.unpriced, sums.cost_per_1000) == (0, 3, None)
    assert fleet_sums().cost_usd == counter > 0, "Prometheus would take less for a restart"
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


def test_the_table_of_costs_names_the_prices_in_force_and_since_when(itemised):
    tenant, _ = itemised
    now = timezone.now()
    board = tenant_dashboard(tenant, named("24h", now=now, timezone="UTC"), compare=False)
    prices = {row.component: row.prices for row in board.costs.rows}
    assert {len(prices[name]) for name in COST_COMPONENTS} == {1}
    told = str(prices["rerank"][0])
    assert told == f"rerank: $1 a thousand calls, set for this tenant on {now.date()}"


def test_what_every_cache_saved_follows_a_corrected_price(itemised):
    tenant, _ = itemised
    question = "How long does it take until a password is reset?"
    kept = {"cache": False, "llm_cache": True}
    _, again = ask_all(tenant, [question] * 2, **kept)
    assert again["cache"] == "llm"
    before = {name: Decimal(str(amount)) for name, amount in again["saved"].items()}
    assert set(before) >= {"cache", "embedding"}
    set_price(tenant=tenant, model=MODEL, input_usd=2000, output_usd=4000, actor=None)
    set_price(tenant=tenant, model=tenant.embedding_model, input_usd="0.2", actor=None)
    said = replay(tenant)
    assert (said["left"], said["unknown_after"]) == ({}, 0)
    with tenant_context(tenant):
        saved = QueryTrace.objects.get(pk=again["id"]).saved
    assert {name: Decimal(saved[name]) / before[name] for name in ("cache", "embedding")} == {
        "cache": 2, "embedding": 2,
    }  # fmt: skip
    assert replay(tenant)["changed"] == 0


def test_a_saving_whose_tokens_were_not_stored_stays_and_is_counted(itemised):
    tenant, _ = itemised
    with tenant_context(tenant):
        trace = QueryTrace.objects.filter(cache="llm").latest("created_at")
        trace.spans = [{"kind": "cache", "what": "llm", "hit": True, "start_ms": 0}]
        trace.save(update_fields=["spans"])
    saved = trace.saved
    set_price(tenant=tenant, model=MODEL, input_usd=3000, output_usd=6000, actor=None)
    assert replay(tenant)["left"] == {"reply_tokens": 1, "vector_tokens": 1}
    with tenant_context(tenant):
        assert QueryTrace.objects.get(pk=trace.pk).saved == saved


def test_an_answer_that_broke_off_at_an_unknown_price_is_not_taken_for_free(itemised):
    tenant, _ = itemised
    before = sums_of(tenant)
    assert ask_all(tenant, ["Who resets a password that broke?"], model="mock-drop-3") == [None]
    roll_up_all()
    after = sums_of(tenant)
    assert (after.errors - before.errors, after.unpriced - before.unpriced) == (1, 1)
