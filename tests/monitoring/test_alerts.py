"""Rules are held against measured figures: opened, told and resolved once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.alert_messages import Told
from monitoring.alerts import evaluate_rules
from monitoring.audience import hold_all
from monitoring.levels import Reading
from monitoring.models import Alert, AlertMute, AlertRule
from tenants.models import Tenant
from tenants.removal import remove_tenant
from tests.monitoring.alerting import (
    NOON,
    make_notifier,
    make_rule,
    make_tenants,
    minutes,
    told,
    used,
)
from tests.monitoring.ledger import add_metrics, roll_up_all

pytestmark = pytest.mark.usefixtures("no_other_rules")


@pytest.fixture(scope="module")
def tenants(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_tenants(2)


@pytest.fixture
def tenant(tenants):
    return tenants[0]


@pytest.fixture
def neighbour(tenants):
    yield tenants[1]
    Tenant.objects.filter(pk=tenants[1].pk).update(status="active")


def alerts_of(rule) -> list[tuple[str, bool]]:
    found = Alert.objects.filter(rule=rule).order_by("opened_at")
    return [(alert.level, alert.resolved_at is None) for alert in found]


def test_an_alert_is_opened_told_and_resolved_exactly_once(tenant):
    rule, notifier = make_rule(tenant), make_notifier(tenant)
    row = used(tenant, errors=40)
    for minute in range(4):
        evaluate_rules(NOON + minutes(minute))
    assert alerts_of(rule) == [("alert", True)]
    row.delete()
    used(tenant, NOON + minutes(5), errors=1)
    for minute in range(5, 25):
        evaluate_rules(NOON + minutes(minute))
    assert alerts_of(rule) == [("alert", False)]
    assert told(notifier) == [("opened", tenant.slug), ("resolved", tenant.slug)]


def test_what_is_measured_reaches_the_watch_of_the_tenant_and_of_the_fleet(tenant):
    slow = {"metric": "p99_latency", "alert_threshold": 5000, "window_minutes": 15}
    own, fleet = make_rule(tenant, **slow), make_rule(None, **slow)
    now = timezone.now()
    add_metrics(tenant.pk, now, 50, duration_ms=60_000.0)
    roll_up_all()
    evaluate_rules(now + minutes(1))
    for rule in (own, fleet):
        assert alerts_of(rule) == [("alert", True)]
    alert = Alert.objects.get(rule=own)
    assert alert.count == 50
    assert alert.value == pytest.approx(60_000, rel=0.01)


def test_two_who_watch_at_the_same_time_open_one_alert(tenant):
    rule, notifier = make_rule(tenant), make_notifier(tenant)
    used(tenant, errors=40)

    def watch(_) -> None:
        try:
            evaluate_rules(NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(watch, range(4)))
    assert alerts_of(rule) == [("alert", True)]
    assert told(notifier) == [("opened", tenant.slug)]


def test_a_level_rises_at_once_and_falls_only_when_it_lasts(tenant):
    rule, notifier = make_rule(tenant, warning_threshold=0.05), make_notifier(tenant)
    row = used(tenant, errors=10)
    evaluate_rules(NOON)
    for minute, errors in ((1, 40), (2, 10), (3, 40), (4, 10), (9, 10), (14, 10)):
        row.errors = errors
        row.save()
        evaluate_rules(NOON + minutes(minute))
    assert [event for event, _ in told(notifier)] == ["opened", "worse", "better"]
    assert alerts_of(rule) == [("warning", True)]
    assert Alert.objects.get(rule=rule).worst_value == pytest.approx(0.4)


def test_exactly_the_threshold_is_not_beyond_it(tenant):
    down = make_rule(tenant, metric="thumbs_down_rate", alert_threshold=0.2, minimum_count=10)
    similar = make_rule(tenant, metric="avg_similarity", comparison="below", alert_threshold=0.3)
    row = used(tenant, up=8, down=2, similarity=[0.3] * 10)
    evaluate_rules(NOON)
    assert alerts_of(down) == alerts_of(similar) == []
    row.up, row.down, row.similarity_sum = 7, 3, 2
    row.save()
    evaluate_rules(NOON)
    assert alerts_of(down) == alerts_of(similar) == [("alert", True)]


def test_fewer_than_the_least_count_are_no_data(tenant):
    rule = make_rule(tenant, minimum_count=101)
    used(tenant, errors=100)
    evaluate_rules(NOON)
    assert alerts_of(rule) == []


@pytest.mark.parametrize(
    ("mode", "silent", "after"),
    [("ok", [], False), ("keep", [], True), ("alert", [("alert", True)], True)],
)
def test_without_data_a_rule_does_as_it_says(tenant, mode, silent, after):
    rule = make_rule(tenant, no_data=mode, minimum_count=1)
    evaluate_rules(NOON - minutes(60))
    assert alerts_of(rule) == silent
    used(tenant, errors=40)
    evaluate_rules(NOON)
    for minute in (30, 50):
        evaluate_rules(NOON + minutes(minute))
    assert alerts_of(rule) == [("alert", after)]


def test_an_open_alert_is_told_again_as_often_as_the_rule_says(tenant):
    make_rule(tenant, window_minutes=180, renotify_minutes=60)
    notifier = make_notifier(tenant)
    used(tenant, errors=40)
    for minute in range(0, 150, 5):
        evaluate_rules(NOON + minutes(minute))
    assert [event for event, _ in told(notifier)] == ["opened", "still_open", "still_open"]


def test_a_rule_that_was_changed_since_it_was_read_opens_nothing(tenant):
    rule = AlertRule.objects.get(pk=make_rule(tenant).pk)
    opened = Told("opened", Alert(rule=rule, tenant=tenant, level="alert"), Reading(0.4, 100))
    with transaction.atomic():
        assert hold_all([opened])(opened)
    make_it_better = AlertRule.objects.get(pk=rule.pk)
    make_it_better.alert_threshold = 0.9
    make_it_better.save()
    with transaction.atomic():
        assert not hold_all([opened])(opened)
    rule.refresh_from_db()
    deleted = Told("opened", Alert(rule=rule, tenant=Tenant(pk=0), level="alert"), Reading())
    with transaction.atomic():
        assert not hold_all([deleted])(deleted)


def test_a_rule_for_each_tenant_tells_the_tenant_and_the_operator_in_one_message(tenant, neighbour):
    rule = make_rule(None, each_tenant=True)
    ours, theirs, operators = make_notifier(tenant), make_notifier(neighbour), make_notifier()
    for one in (tenant, neighbour):
        used(one, errors=40)
    AlertMute.objects.create(rule=rule, tenant=neighbour, until=NOON + minutes(60))
    evaluate_rules(NOON)
    assert told(ours) == [("opened", tenant.slug)]
    assert told(theirs) == [], "it has muted the rule for itself"
    assert sorted(told(operators)) == sorted([("opened", tenant.slug), ("opened", neighbour.slug)])
    assert operators.notification_set.count() == 1


def test_a_fleet_rule_is_told_to_operators_only(tenant):
    rule, ours, operators = make_rule(None), make_notifier(tenant), make_notifier()
    used(None, errors=40)
    used(tenant, errors=40)
    evaluate_rules(NOON)
    assert alerts_of(rule) == [("alert", True)]
    assert told(operators) == [("opened", "fleet")]
    assert told(ours) == []


def test_alerts_end_quietly_when_the_rule_is_disabled_or_the_tenant_suspended(tenant, neighbour):
    rule, other = make_rule(tenant), make_rule(neighbour)
    notifier = make_notifier(tenant)
    for one in (tenant, neighbour):
        used(one, errors=40)
    evaluate_rules(NOON)
    AlertRule.objects.filter(pk=rule.pk).update(is_enabled=False)
    Tenant.objects.filter(pk=neighbour.pk).update(status="suspended")
    evaluate_rules(NOON + minutes(1))
    assert alerts_of(rule) == alerts_of(other) == [("alert", False)]
    assert Alert.objects.get(rule=other).ended_by == "The tenant is suspended"
    assert told(notifier) == [("opened", tenant.slug)]


def test_a_deleted_tenant_takes_its_rules_and_alerts_with_it():
    (tenant,) = make_tenants(1)
    rule, operators = make_rule(None, each_tenant=True), make_notifier()
    own, notifier = make_rule(tenant), make_notifier(tenant)
    used(tenant, errors=40)
    evaluate_rules(NOON)
    pk = tenant.pk
    assert told(operators) == [("opened", tenant.slug)]
    assert remove_tenant(tenant=tenant, actor=None).is_complete
    evaluate_rules(NOON + minutes(1))
    assert told(operators) == [], "no message speaks of it any more"
    assert not Alert.objects.filter(tenant_id=pk).exists()
    assert not AlertRule.objects.filter(pk=own.pk).exists()
    assert not type(notifier).objects.filter(pk=notifier.pk).exists()
    assert alerts_of(rule) == []


def test_many_tenants_and_rules_cost_no_more_queries(tenant):
    others = [
        Tenant(
            slug=f"{tenant.slug}-{n}", name="x", schema_name="none", embedding_model="m",
            embedding_dimension=3,
        )
        for n in range(200)
    ]  # fmt: skip
    for window in (15, 60):
        for metric in ("error_rate", "p99_latency", "budget_used", "failed_syncs"):
            make_rule(None, each_tenant=True, metric=metric, window_minutes=window)
    used(tenant, latency=[100.0] * 50)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            evaluate_rules(NOON)
        return len(queries)

    alone = count()
    Tenant.objects.bulk_create(others)
    try:
        for each in others[:50]:
            used(each, latency=[100.0] * 50)
        assert count() == alone
        assert alone <= 20
    finally:
        Tenant.objects.filter(slug__startswith=f"{tenant.slug}-").delete()
