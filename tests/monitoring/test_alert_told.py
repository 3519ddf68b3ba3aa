"""When a muted rule tells, and what its messages say."""

from __future__ import annotations

import pytest

from monitoring.alert_messages import write
from monitoring.alerts import evaluate_rules
from monitoring.models import Alert, AlertMute, AlertRule, Notification
from tests.monitoring.alerting import (
    NOON,
    make_notifier,
    make_rule,
    make_tenants,
    minutes,
    told,
    used,
)

pytestmark = pytest.mark.usefixtures("no_other_rules")


@pytest.fixture(scope="module")
def tenant(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_tenants(1)[0]


def message_to(notifier):
    return write(Notification.objects.select_related("notifier__tenant").get(notifier=notifier))


def test_a_muted_rule_is_evaluated_and_told_when_the_mute_is_over(tenant):
    rule = make_rule(tenant, window_minutes=60, muted_until=NOON + minutes(30))
    notifier = make_notifier(tenant)
    used(tenant, errors=40)
    evaluate_rules(NOON)
    assert Alert.objects.get(rule=rule).resolved_at is None
    assert told(notifier) == []
    evaluate_rules(NOON + minutes(31))
    evaluate_rules(NOON + minutes(32))
    assert told(notifier) == [("opened", tenant.slug)]


def test_an_alert_that_got_worse_in_a_mute_and_is_still_there_is_told_once_when_it_ends(tenant):
    rule = make_rule(tenant, warning_threshold=0.05, window_minutes=60)
    notifier = make_notifier(tenant)
    row = used(tenant, errors=10)
    evaluate_rules(NOON)
    AlertRule.objects.filter(pk=rule.pk).update(muted_until=NOON + minutes(30))
    row.errors = 40
    row.save()
    for minute in (5, 29, 30, 31, 32):
        evaluate_rules(NOON + minutes(minute))
    assert [event for event, _ in told(notifier)] == ["opened", "still_open"]
    assert notifier.notification_set.latest("created_at").payload["alerts"][0]["level"] == "alert"


def test_a_tenants_own_mute_ends_with_a_message_to_its_own_notifiers(tenant):
    rule = make_rule(None, each_tenant=True, window_minutes=60)
    ours, operators = make_notifier(tenant), make_notifier()
    AlertMute.objects.create(rule=rule, tenant=tenant, until=NOON + minutes(10))
    used(tenant, errors=40)
    for minute in (0, 9, 10, 11):
        evaluate_rules(NOON + minutes(minute))
    assert told(ours) == [("still_open", tenant.slug)]
    assert told(operators) == [("opened", tenant.slug)]


def test_messages_say_what_part_of_it_is_demo_traffic(tenant):
    make_rule(tenant)
    notifier = make_notifier(tenant)
    used(tenant, errors=40, simulated=100)
    evaluate_rules(NOON)
    message = message_to(notifier)
    assert "All 100 questions of its window are demo traffic." in message.text
    assert message.data["alerts"][0]["simulated"] == 100


def test_a_message_that_comes_late_says_that_the_alert_is_resolved(tenant):
    rule, notifier = make_rule(tenant), make_notifier(tenant)
    used(tenant, errors=40)
    evaluate_rules(NOON)
    Alert.objects.filter(rule=rule).update(resolved_at=NOON + minutes(30))
    message = message_to(notifier)
    assert "It is resolved by now." in message.text
    assert message.data["alerts"][0]["resolved_at"] == (NOON + minutes(30)).isoformat()


def test_an_alert_that_ends_without_data_is_not_told_with_its_last_figure(tenant):
    make_rule(tenant)
    row, notifier = used(tenant, errors=40), make_notifier(tenant)
    evaluate_rules(NOON)
    Notification.objects.all().delete()
    row.delete()
    for minute in (1, 11):
        evaluate_rules(NOON + minutes(minute))
    message = message_to(notifier)
    assert "There is no data on “Error rate”" in message.text
    assert (message.data["alerts"][0]["event"], message.data["alerts"][0]["value"]) == (
        "resolved",
        None,
    )
    assert "At its worst it was 40 %." in message.text


def test_a_cost_that_is_known_in_part_says_so_and_one_that_is_not_known_is_no_cost(tenant):
    make_rule(tenant, metric="cost_usd", alert_threshold=0.5, no_data="ok")
    notifier = make_notifier(tenant)
    row = used(tenant, questions=4, unpriced=4)
    evaluate_rules(NOON)
    assert told(notifier) == []
    row.cost_usd, row.unpriced = 1, 2
    row.save()
    evaluate_rules(NOON + minutes(1))
    assert "With 2 of unknown price, which count with what is known" in message_to(notifier).text
