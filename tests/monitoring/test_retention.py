"""Days of the ledger come and go; what was counted of them stays."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction

from monitoring import partitions
from monitoring.models import DailyReport, DailyUsage, HourlyUsage, QueryMetric, RecentUsage
from monitoring.partitions import DEFAULT, drop_days, make_days, name_of
from monitoring.retention import tend_figures
from tests.monitoring.ledger import add_metrics, roll_up_all

NOW = datetime.now(UTC)
TODAY = NOW.date()


def in_table(name, tenant):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {name} WHERE tenant_id = %s", [tenant.pk])
        return cursor.fetchone()[0]


def test_a_day_is_moved_out_of_the_default_partition_when_its_own_is_made(tenant):
    day = NOW - timedelta(20)
    add_metrics(tenant.pk, day, count=3)
    add_metrics(tenant.pk, NOW - timedelta(400), count=2)
    assert in_table(DEFAULT, tenant) == 5
    made = make_days(TODAY, TODAY - timedelta(90))
    assert day.date() in made or TODAY in made
    assert in_table(name_of(day.date()), tenant) == 3
    assert in_table(DEFAULT, tenant) == 2
    roll_up_all()
    assert sum(row.questions for row in DailyUsage.objects.filter(tenant_id=tenant.pk)) == 5
    assert make_days(TODAY, TODAY - timedelta(90)) == []
    add_metrics(tenant.pk, NOW + timedelta(6))
    assert in_table(name_of((NOW + timedelta(6)).date()), tenant) == 1


def test_a_day_is_dropped_only_when_all_of_it_was_counted(tenant):
    day = NOW - timedelta(95)
    add_metrics(tenant.pk, day, count=4)
    make_days(TODAY, TODAY - timedelta(96))
    assert drop_days(TODAY - timedelta(90)) == []
    roll_up_all()
    assert day.date() in drop_days(TODAY - timedelta(90))
    assert not QueryMetric.objects.filter(tenant_id=tenant.pk).exists()
    assert DailyUsage.objects.get(tenant_id=tenant.pk).questions == 4


def test_old_five_minutes_and_hours_go_and_days_stay(tenant):
    for days in (1, 9, 801):
        add_metrics(tenant.pk, NOW - timedelta(days))
        DailyReport.objects.create(tenant=tenant, date=TODAY - timedelta(days))
    roll_up_all()
    tend_figures()
    days = DailyReport.objects.filter(tenant=tenant).values_list("date", flat=True)
    assert sorted(days) == [TODAY - timedelta(9), TODAY - timedelta(1)]
    assert [
        model.objects.filter(tenant_id=tenant.pk).count()
        for model in (RecentUsage, HourlyUsage, DailyUsage)
    ] == [1, 2, 3]


def test_who_holds_the_ledger_is_not_waited_for(tenant):
    day = (NOW - timedelta(50)).date()
    with transaction.atomic():
        add_metrics(tenant.pk, NOW - timedelta(50))
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {DEFAULT} IN ROW EXCLUSIVE MODE")
        assert day not in make_days(TODAY, TODAY - timedelta(90))
    assert day in make_days(TODAY, TODAY - timedelta(90))


def test_an_answer_on_its_way_when_its_day_is_made_is_not_lost(tenant, monkeypatch):
    monkeypatch.setattr(partitions, "LOCK_SECONDS", 30)
    day = NOW - timedelta(40)
    make_days(TODAY, TODAY - timedelta(90))
    add_metrics(tenant.pk, day)
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            # Keeps the partition from being attached, and nobody from writing.
            cursor.execute("LOCK TABLE ONLY monitoring_querymetric IN SHARE UPDATE EXCLUSIVE MODE")
            made = threads.submit(closing_connections, make_days, TODAY, TODAY - timedelta(90))
            wait_for_waiting(cursor, 1)
            written = threads.submit(closing_connections, add_metrics, tenant.pk, day)
            wait_for_waiting(cursor, 2)
        assert day.date() in made.result()
        written.result()
    assert in_table(name_of(day.date()), tenant) == 2


def wait_for_waiting(cursor, count):
    """Until so many wait for a lock of the ledger."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    for _ in range(3_000):
        cursor.execute(waiting)
        if cursor.fetchone()[0] >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{count} do not wait")


def closing_connections(function, *args):
    try:
        return function(*args)
    finally:
        connections.close_all()


@pytest.fixture(autouse=True)
def all_counted():
    roll_up_all()
