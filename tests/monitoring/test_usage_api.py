"""GET /api/v1/usage/: the series behind the charts, for a tenant's key and for an operator's."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from monitoring.models import DailySpending, DailyUsage
from tenants.keys import create_api_key
from tests.monitoring.rows import add_spending, add_usage, midnight, this_hour

ROUTE = "/api/v1/usage/"


def key_of(tenant, *scopes):
    levels = ["public", "internal"] if tenant else []
    return create_api_key(tenant=tenant, name="reader", scopes=list(scopes), access_levels=levels)[
        1
    ]


@pytest.fixture
def get(tenant):
    """With a key of the tenant unless another is given."""
    own = key_of(tenant, "admin")

    def call(key=own, **query):
        return Client().get(ROUTE, query, headers={"authorization": f"Bearer {key}"})

    return call


@pytest.fixture(scope="module")
def operator_key(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return key_of(None, "operator")


def days(first, last, bucket="day"):
    between = {"from": f"{midnight(first):%Y-%m-%d}", "to": f"{midnight(last):%Y-%m-%d}"}
    return between | {"bucket": bucket}


def test_each_day_has_its_sums_and_those_without_a_question_are_there_too(tenant, get):
    add_usage(tenant.pk, midnight(2), questions=4, cost="0.125", unpriced=1, up=1, down=2)
    add_usage(tenant.pk, midnight(2), questions=1, cost="0", cache="exact")
    reply = get(**days(3, 1)).json()
    assert (reply["bucket"], reply["timezone"], reply["by"]) == ("day", "UTC", "")
    assert [point["questions"] for point in reply["series"]] == [0, 5, 0]
    assert [point["start"] for point in reply["series"]] == [
        midnight(day).isoformat() for day in (3, 2, 1)
    ]
    point = reply["series"][1]
    assert Decimal(point["cost_usd"]) == Decimal("0.125")
    assert (point["unpriced"], point["thumbs_up"], point["thumbs_down"]) == (1, 1, 2)
    assert point["cache_hits"] == {"none": 4, "exact": 1}
    assert point["p95_latency_ms"] == pytest.approx(120, rel=0.02)
    assert reply["series"][0]["p95_latency_ms"] is None


def test_by_model_and_by_cache_the_parts_are_named(tenant, get):
    add_usage(tenant.pk, midnight(1), questions=4, model="large")
    add_usage(tenant.pk, midnight(1), questions=2, model="small", cache="semantic")
    for by, found in (
        ("model", [("large", 4), ("small", 2)]),
        ("cache", [("none", 4), ("semantic", 2)]),
    ):
        series = get(**days(3, 1), by=by).json()["series"]
        assert [(point["key"], point["questions"]) for point in series] == found


def test_by_component_it_says_what_was_paid_and_what_has_no_price(tenant, get):
    add_spending(tenant.pk, midnight(1), "generation", cost="0.3", calls=3, input_tokens=30)
    add_spending(tenant.pk, midnight(1), "generation", model="house", calls=2, unpriced=2)
    add_spending(tenant.pk, midnight(1), "rerank", cost="0.1")
    series = get(**days(1, 1), by="component").json()["series"]
    assert [point["key"] for point in series] == ["generation", "rerank"]
    assert (series[0]["calls"], series[0]["unpriced"], series[0]["input_tokens"]) == (5, 2, 30)
    assert Decimal(series[0]["cost_usd"]) == Decimal("0.3")


def test_by_the_hour_it_reads_hours(tenant, get):
    add_usage(tenant.pk, this_hour(), questions=6, by="hour")
    series = get(**days(0, 0, "hour")).json()["series"]
    assert len(series) == 24
    assert {p["start"]: p["questions"] for p in series if p["questions"]} == {
        this_hour().isoformat(): 6
    }
    last_day = get(range="24h").json()["series"]
    assert [p["questions"] for p in last_day] == [0] * 23 + [6], "not two whole days"


def test_by_tenant_is_for_operators_and_names_each(tenant, get, operator_key):
    add_usage(tenant.pk, midnight(1), questions=4, cache="llm")
    refused = get(by="tenant")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "scope_missing"
    series = get(operator_key, **days(1, 0), by="tenant").json()["series"]
    mine = next(point for point in series if point["key"] == tenant.slug)
    assert (mine["questions"], mine["cache_hits"]) == (4, 4)


def test_a_tenants_key_never_sees_other_tenants_or_the_fleet(tenant, get, operator_key):
    day = midnight(500)
    try:
        add_usage(tenant.pk + 1_000_000, day, questions=100, model="theirs")
        add_usage(None, day, questions=1_000, model="everybodys")
        add_spending(tenant.pk + 1_000_000, day, "generation", model="theirs")
        for by in ("", "model", "cache", "component"):
            found = get(**days(500, 500), by=by).json()["series"]
            assert [point for point in found if point.get("questions") or point["key"]] == []
        fleet = get(operator_key, **days(500, 500)).json()["series"]
        assert [point["questions"] for point in fleet] == [1_000]
    finally:
        DailyUsage.objects.filter(starts_at=day).delete()
        DailySpending.objects.filter(starts_at=day).delete()


@pytest.mark.parametrize("scope", ["query", "ingest"])
def test_a_key_without_the_scope_is_refused(tenant, get, scope):
    assert get(key_of(tenant, scope)).status_code == 403
    assert get("rag-nothing").status_code == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "to"),
        ({"from": "2001-01-01"}, "from"),
        ({"range": "2h"}, "range"),
        ({"by": "user"}, "by"),
        ({"bucket": "minute"}, "bucket"),
        ({"from": "2026-01-01", "to": "2026-02-01", "bucket": "hour"}, "bucket"),
    ],
)
def test_what_means_nothing_is_refused_with_its_field(get, query, field):
    reply = get(**query)
    assert reply.status_code == 400
    assert reply.json()["error"]["extra"]["field"] == field


def test_by_the_hour_a_whole_month_is_given(get):
    month = {"from": "2026-01-01", "to": "2026-01-31", "bucket": "hour"}
    assert len(get(**month).json()["series"]) == 31 * 24


def test_days_that_have_not_come_yet_are_empty(get):
    reply = get(**days(-400, -401))
    assert reply.status_code == 200
    assert [point["questions"] for point in reply.json()["series"]] == [0, 0]


def test_days_are_those_of_the_tenants_clock_also_when_it_is_set(tenant, get):
    tenant.timezone = "Europe/Berlin"
    tenant.save()
    reply = get(**{"from": "2026-10-24", "to": "2026-10-26", "bucket": "day"}).json()
    assert reply["timezone"] == "Europe/Berlin"
    assert [point["start"] for point in reply["series"]] == [
        "2026-10-23T22:00:00+00:00",
        "2026-10-24T22:00:00+00:00",
        "2026-10-25T23:00:00+00:00",
    ]
    hours = get(**{"from": "2026-10-25", "to": "2026-10-25", "bucket": "hour"}).json()["series"]
    assert len({point["start"] for point in hours}) == len(hours) == 25


def test_a_year_takes_as_many_queries_as_a_day(tenant, get):
    taken, _ = [], get()  # the key is looked up once
    for length in (0, 364):
        add_usage(tenant.pk, midnight(length), model=f"m{length}")
        with CaptureQueriesContext(connection) as queries:
            assert get(**days(length, 0), by="model").status_code == 200
        taken.append(len(queries))
    assert taken[0] == taken[1]
