"""Figures that are not of answers: syncs as they end, budgets in the tenant's own day, leaks, services."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from monitoring import other_figures
from monitoring.alerts import evaluate_rules
from monitoring.metrics import METRICS
from monitoring.models import Alert, AlertRule, RollupState, SyncOutcome
from monitoring.readings import read_now
from ragadmin.health import PROBES, NotWell, Probe
from retrieval.events import sync_listeners
from retrieval.services.sync_runs import cancel_run, start_sync
from tenants.budgets import set_budget
from tenants.models import BudgetPeriod, BudgetReservation, IsolationRun, Tenant
from tests.monitoring.alerting import make_rule, make_tenants
from tests.retrieval.sync.folders import folder_source, sync, sync_root, write

pytestmark = pytest.mark.usefixtures("no_other_rules")


@pytest.fixture(scope="module")
def tenant(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_tenants(1)[0]


@contextmanager
def a_listener_that_fails():
    """It breaks its own part of the transaction, and neither the run's end nor what others note of it."""
    sync_listeners.insert(0, lambda ended: Tenant.objects.create(pk=ended.tenant_id))
    yield
    del sync_listeners[0]


def test_every_end_of_a_sync_run_is_noted_and_a_failed_one_opens_an_alert(tenant, tmp_path):
    rule = make_rule(tenant, metric="failed_syncs", alert_threshold=0, window_minutes=60)
    with sync_root(tmp_path):
        folder = tmp_path / "docs"
        write(folder, {"one.md": "# One\n\nA kettle.\n"})
        source = folder_source(tenant, folder)
        queued = start_sync(tenant=tenant, source_id=source.pk, trigger="manual", actor="test")
        cancel_run(tenant=tenant, run_id=queued.pk, actor="test")
        with a_listener_that_fails():
            good = sync(tenant, source)
        sync(tenant, source, dry_run=True)
        evaluate_rules()
        assert not Alert.objects.filter(rule=rule).exists()
        folder.rename(tmp_path / "away")
        bad = sync(tenant, source)
    ended = SyncOutcome.objects.filter(tenant=tenant).order_by("finished_at")
    assert [(one.run_id, one.status) for one in ended] == [
        (queued.pk, "cancelled"),
        (good.pk, "succeeded"),
        (bad.pk, "failed"),
    ]
    evaluate_rules()
    alert = Alert.objects.get(rule=rule)
    assert (alert.value, alert.count) == (1, 3)


def test_the_tightest_budget_counts_in_the_day_of_the_tenants_own_zone(tenant):
    now = timezone.now().replace(hour=22, minute=30)
    tenant.timezone = "Pacific/Auckland"
    tenant.save()
    today, tomorrow = now.date(), now.date() + timedelta(days=1)
    month = set_budget(tenant=tenant, period="month", amount_usd=1000, actor=None)
    day = set_budget(tenant=tenant, period="day", amount_usd=10, actor=None)
    for budget, starts_on, spent in (
        (day, today, 10),
        (day, tomorrow, 8),
        (month, tomorrow.replace(day=1), 100),
    ):
        period = BudgetPeriod.objects.create(
            budget=budget, starts_on=starts_on, spent_usd=spent, reserved_usd=1
        )
        if starts_on == tomorrow:
            BudgetReservation.objects.create(
                period=period,
                answer_id="00000000-0000-4000-8000-000000000000",
                amount_usd=Decimal("0.5"),
                expires_at=timezone.now() - timedelta(minutes=1),
            )
    reading = other_figures.budgets_used(now, now)[tenant.pk]
    assert reading.value == pytest.approx(0.85), "what has lapsed is not counted"
    assert reading.count == 2


def test_leaks_services_and_age_of_the_figures_are_of_the_fleet():
    now = timezone.now()
    run = IsolationRun.objects.create(finished_at=now, probes=90, leaks=2)
    rule = AlertRule(metric="isolation_leaks", window_minutes=5)
    assert (read_now(rule, now).value, read_now(rule, now).count) == (2, 90)
    run.delete()

    def broken() -> str:
        raise NotWell("gone")

    rule.metric = "services_down"
    before = read_now(rule, now)
    PROBES.append(Probe("a test", "Nothing.", broken))
    try:
        assert read_now(rule, now).value == before.value + 1
    finally:
        PROBES.pop()
    RollupState.objects.update_or_create(
        pk=1, defaults={"rolled_up_at": now - timedelta(seconds=90)}
    )
    rule.metric = "rollup_lag"
    assert read_now(rule, now).value == pytest.approx(90)


def test_every_installation_begins_with_rules_that_can_be_read():
    rules = AlertRule.objects.exclude(built_in="")
    assert set(rules.values_list("metric", flat=True)) == {
        "avg_similarity",
        "thumbs_down_rate",
        "p99_latency",
        "error_rate",
        "budget_used",
        "failed_syncs",
        "isolation_leaks",
    }
    for rule in rules:
        scope = "tenant" if rule.each_tenant else "fleet"
        assert scope in METRICS[rule.metric].scopes
