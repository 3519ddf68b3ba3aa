"""Rows as a roll-up leaves them, read back for periods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring import usage
from monitoring.models import DailyUsage, HourlySpending, HourlyUsage, TenantDay, TenantHour
from monitoring.periods import Period, named
from tests.monitoring.rows import add_tenant_sums

NOW = datetime(2031, 5, 20, 12, 30, tzinfo=UTC)
ONE, TWO = 9_000_001, 9_000_002


@pytest.fixture(autouse=True)
def own_rows():
    yield
    for model in (DailyUsage, HourlyUsage, HourlySpending, TenantDay, TenantHour):
        model.objects.filter(starts_at__gte=NOW - timedelta(days=400)).delete()


def write(model, tenant_id, starts_at, *, questions=1, name="m", cache="none", **more):
    model.objects.create(
        tenant_id=tenant_id,
        starts_at=starts_at,
        model=name,
        cache=cache,
        questions=questions,
        cost_usd=Decimal(questions) / 100,
        **more,
    )
    if model in (DailyUsage, HourlyUsage):
        day = {"day": more["day"]} if "day" in more else {}
        add_tenant_sums(tenant_id, starts_at, questions, Decimal(1), cache != "none", day)


def test_a_period_has_a_bar_for_every_day_and_counts_each_row_once():
    period = named("7d", now=NOW, timezone="UTC")
    for day in (-1, 0, 3, 6, 7):  # the first and the last are outside
        write(DailyUsage, ONE, period.start + timedelta(days=day), questions=day + 10)
    write(DailyUsage, TWO, period.start, questions=1_000)
    with CaptureQueriesContext(connection) as queries:
        found = usage.read_usage(usage.Scope(ONE), period)
        series = found.series()
    assert len(queries) == 1
    assert [sums.questions for _, sums in series] == [10, 0, 0, 13, 0, 0, 16]
    assert found.sums().cost_usd == Decimal("0.39")


def test_usage_by_model_and_by_layer_adds_up_to_the_whole():
    period = named("24h", now=NOW, timezone="UTC")
    hour = {"starts_at": period.start, "day": period.start}
    write(HourlyUsage, ONE, **hour, name="small", questions=5)
    write(HourlyUsage, ONE, **hour, name="large", questions=7)
    write(HourlyUsage, ONE, **hour, name="large", cache="exact", questions=4)
    found = usage.read_usage(usage.Scope(ONE), period)
    assert {name: part.sums().questions for name, part in found.by_model().items()} == {
        "large": 11,
        "small": 5,
    }
    assert list(found.by_model()) == ["large", "small"]
    assert found.sums().caches == {"none": 12, "exact": 4}
    assert found.sums().cache_hit_rate == 0.25


def test_spending_is_told_by_component_and_by_model():
    period = named("24h", now=NOW, timezone="UTC")
    for component, model, cost in (
        ("generation", "large", "0.2"),
        ("multi_query", "small", "0.01"),
        ("generation", "small", "0.03"),
    ):
        HourlySpending.objects.create(
            tenant_id=ONE,
            starts_at=period.start,
            component=component,
            provider="openai",
            model=model,
            calls=1,
            cost_usd=Decimal(cost),
        )
    spending = usage.read_spending(usage.Scope(ONE), period)
    assert spending.total().cost_usd == Decimal("0.24")
    assert spending.by_component()["generation"].cost_usd == Decimal("0.23")
    assert list(spending.by_model()) == [("openai", "large"), ("openai", "small")]


def test_top_tenants_take_hours_where_a_day_of_theirs_is_only_partly_in_the_period():
    start = datetime(2031, 5, 10, tzinfo=UTC)
    period = Period(start, start + timedelta(days=5), "day", "UTC")
    new_york = ZoneInfo("America/New_York")
    # One whole day inside for each; and a day that began before the period, of which two hours are in.
    write(DailyUsage, ONE, datetime(2031, 5, 11, tzinfo=UTC), questions=3)
    write(DailyUsage, TWO, datetime(2031, 5, 11, tzinfo=new_york), questions=5)
    began = datetime(2031, 5, 9, tzinfo=new_york)
    write(DailyUsage, TWO, began, questions=24)
    for hour in range(24):
        write(HourlyUsage, TWO, began + timedelta(hours=hour), day=began)
    late = datetime(2031, 5, 14, tzinfo=new_york)
    write(DailyUsage, TWO, late, questions=24)
    for hour in range(24):
        write(HourlyUsage, TWO, late + timedelta(hours=hour), day=late)
    with CaptureQueriesContext(connection) as queries:
        top = usage.top_tenants(period, now=NOW, by="questions")
    assert len(queries) == 1
    # Four hours of the 9th and twenty of the 14th are within UTC's days.
    assert [(each.tenant_id, each.questions) for each in top] == [(TWO, 5 + 4 + 20), (ONE, 3)]
    one_day = Period(start + timedelta(days=1), start + timedelta(days=2), "day", "UTC")
    write(HourlyUsage, ONE, one_day.start - timedelta(hours=1), day=start, questions=100)
    assert [each.tenant_id for each in usage.top_tenants(one_day, now=NOW)] == []
    hours = Period(began, began + timedelta(hours=6), "hour", "UTC")
    assert [each.questions for each in usage.top_tenants(hours, now=NOW)] == [6]
