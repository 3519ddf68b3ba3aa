"""The ledger summed up: each row once, where it belongs, whatever the order of commits."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection, connections, transaction

from monitoring.deltas import bucket_sql
from monitoring.histograms import GROWTH, bucket_of
from monitoring.models import (
    DailySpending,
    DailyUsage,
    HourlyUsage,
    QueryMetric,
    RecentUsage,
    TenantDay,
    TenantHour,
    TotalUsage,
)
from monitoring.rollups import roll_up
from monitoring.sums import add_up
from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.monitoring.ledger import add_metrics, fleet_sums, roll_up_all

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_answers_are_summed_up_as_their_traces_say(answered):
    roll_up_all()
    with tenant_context(answered):
        traces = list(QueryTrace.objects.all())
    sums = add_up(DailyUsage.objects.filter(tenant_id=answered.pk))
    assert sums.questions == len(traces) == 5
    assert sums.caches == {"none": 4, "exact": 1}
    assert (sums.up, sums.down, sums.errors) == (1, 1, 0)
    assert sums.cost_usd == sum(trace.total_cost_usd for trace in traces) > 0
    assert sums.output_tokens == sum(trace.output_tokens for trace in traces) > 0
    assert sums.latency.total == 5
    assert sums.similarity_count == sum(trace.similarity_avg is not None for trace in traces)


def test_every_length_of_time_holds_the_same_sums(answered):
    roll_up_all()
    found = [
        add_up(model.objects.filter(tenant_id=answered.pk))
        for model in (RecentUsage, HourlyUsage, DailyUsage)
    ]
    assert found[0] == found[1] == found[2]
    for model in (TenantHour, TenantDay):
        rows = model.objects.filter(tenant_id=answered.pk)
        assert sum(row.questions for row in rows) == found[0].questions
        assert sum(row.hits for row in rows) == found[0].hits == 1
        assert sum(row.cost_usd for row in rows) == found[0].cost_usd


def test_spending_by_component_is_what_the_answers_cost(answered):
    roll_up_all()
    spent = DailySpending.objects.filter(tenant_id=answered.pk)
    cost = add_up(DailyUsage.objects.filter(tenant_id=answered.pk)).cost_usd
    assert sum(row.cost_usd for row in spent) == cost
    assert {row.component for row in spent} == {"generation"}


def test_nothing_is_counted_twice_or_by_two_at_once(answered):
    roll_up_all()
    before = fleet_sums()
    assert roll_up() == 0
    add_metrics(answered.pk, NOON, count=3)
    with transaction.atomic():
        assert roll_up() == 3
        other = connections["owner"]
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [0x726F])
            assert cursor.fetchone() == (False,)
    assert fleet_sums().questions == before.questions + 3


def test_a_transaction_that_began_first_and_is_committed_last_is_counted_once(tenant):
    roll_up_all()
    before = fleet_sums().questions
    with transaction.atomic(using="owner"):
        add_metrics(tenant.pk, NOON, count=2, using="owner")
        add_metrics(tenant.pk, NOON, count=5)
        assert roll_up() == 5
    assert roll_up() == 2
    assert roll_up() == 0
    assert fleet_sums().questions == before + 7


def test_more_than_the_limit_is_counted_in_parts(tenant):
    roll_up_all()
    before = fleet_sums().questions
    with transaction.atomic(using="owner"):
        add_metrics(tenant.pk, NOON, count=1, using="owner")
        for _ in range(6):
            add_metrics(tenant.pk, NOON, count=10)
        assert [roll_up(limit=25) for _ in range(4)] == [30, 30, 0, 0]
    assert roll_up(limit=25) == 1
    assert fleet_sums().questions == before + 61


@pytest.mark.parametrize(
    ("zone", "at", "hour", "day"),
    [
        # The night the clocks go back, the hour from two to three is there twice.
        ("Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T00:00Z", "2026-10-24T22:00Z"),
        ("Europe/Berlin", "2026-10-25T01:30Z", "2026-10-25T01:00Z", "2026-10-24T22:00Z"),
        ("Europe/Berlin", "2026-10-25T22:59Z", "2026-10-25T22:00Z", "2026-10-24T22:00Z"),
        ("Europe/Berlin", "2026-10-25T23:00Z", "2026-10-25T23:00Z", "2026-10-25T23:00Z"),
        ("Asia/Kolkata", "2026-10-25T18:29Z", "2026-10-25T17:30Z", "2026-10-24T18:30Z"),
    ],
)
def test_hours_and_days_are_of_the_tenants_time_zone(tenant, zone, at, hour, day):
    tenant.timezone = zone
    tenant.save()
    add_metrics(tenant.pk, datetime.fromisoformat(at))
    roll_up_all()
    hourly = HourlyUsage.objects.get(tenant_id=tenant.pk)
    daily = DailyUsage.objects.get(tenant_id=tenant.pk)
    assert hourly.starts_at == datetime.fromisoformat(hour)
    assert hourly.day == daily.starts_at == datetime.fromisoformat(day)


def test_odd_metrics_are_counted_where_they_belong(tenant):
    """Of a clock that is years off, of a tenant that is gone, of a value that is no number."""
    roll_up_all()
    before = fleet_sums()
    add_metrics(tenant.pk, datetime(2009, 1, 1, tzinfo=UTC))
    add_metrics(tenant.pk, datetime(2062, 1, 1, tzinfo=UTC), duration_ms=float("inf"))
    add_metrics(2**40, NOON, similarity_avg=float("nan"))
    roll_up_all()
    years = DailyUsage.objects.filter(tenant_id=tenant.pk).values_list("starts_at__year", flat=True)
    assert sorted(years) == [2009, 2062]
    assert not DailyUsage.objects.filter(tenant_id=2**40).exists()
    sums = fleet_sums()
    assert sums.questions == before.questions + 3
    assert sums.latency.total == before.latency.total + 2
    assert sums.similarity_count == before.similarity_count + 2


def test_what_cannot_be_added_up_keeps_no_other_metric_from_being_counted(tenant):
    roll_up_all()
    before = fleet_sums().questions
    add_metrics(tenant.pk, NOON, count=30)
    add_metrics(tenant.pk, "infinity")
    add_metrics(tenant.pk, NOON, count=4)
    assert [roll_up() for _ in range(4)] == [30, 0, 4, 0]
    assert fleet_sums().questions == before + 34


def test_a_ledger_that_was_restored_elsewhere_is_neither_counted_twice_nor_lost(tenant):
    add_metrics(tenant.pk, NOON, count=4)
    roll_up_all()
    before = fleet_sums().questions
    add_metrics(tenant.pk, NOON, count=3)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE monitoring_rollupstate SET cluster = 'another'")
    assert roll_up() == 0
    roll_up_all()
    assert fleet_sums().questions == before + 3
    assert QueryMetric.objects.filter(tenant_id=tenant.pk).count() == 7


def test_the_database_finds_the_same_buckets_as_histograms_do():
    random = np.random.default_rng(6)
    values = [0.0, -1.0, 1e-4, 1.0, 1e300, *10 ** random.uniform(-5, 9, 20_000)]
    values += [GROWTH**n * (1 + shift) for n in range(-400, 900) for shift in (0, 1e-12, -1e-12)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {bucket_sql('v')} FROM unnest(%s::float8[]) v", [values])
        assert [row[0] for row in cursor.fetchall()] == [bucket_of(value) for value in values]


def test_the_fleets_total_has_one_row_for_each_model_and_layer():
    roll_up_all()
    keys = list(TotalUsage.objects.values_list("model", "cache"))
    assert len(keys) == len(set(keys)) > 0
    assert all(isinstance(row.cost_usd, Decimal) for row in TotalUsage.objects.all())


def test_tenants_of_the_installations_own_checks_are_no_part_of_the_fleet(tenant):
    roll_up_all()
    before = fleet_sums().questions
    Tenant.objects.filter(pk=tenant.pk).update(slug=f"canary-{tenant.slug}"[:40])
    add_metrics(tenant.pk, NOON, count=3)
    roll_up_all()
    assert fleet_sums().questions == before
    own = DailyUsage.objects.filter(tenant_id=tenant.pk)
    assert sum(own.values_list("questions", flat=True)) == 3
