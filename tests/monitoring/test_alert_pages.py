"""The pages about alerts, and that nobody sees or changes another tenant's."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from monitoring.alerts import evaluate_rules
from monitoring.models import Alert, AlertMute, AlertRule, Notifier
from tenants.models import AuditEvent
from tenants.secrets import decrypt
from tests.monitoring.alerting import NOON, make_notifier, make_rule, used
from tests.tenants.conftest import make_cast

pytestmark = pytest.mark.usefixtures("no_other_rules")
FORM = {
    "name": "Failing answers",
    "metric": "error_rate",
    "comparison": "above",
    "warning_threshold": "5",
    "alert_threshold": "20",
    "window_minutes": "60",
    "minimum_count": "1",
    "no_data": "ok",
    "renotify_minutes": "0",
}


@pytest.fixture(scope="module")
def cast(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_cast()


def base_of(tenant) -> str:
    return f"/t/{tenant.slug}/alerts/"


def test_an_open_alert_is_shown_with_its_traces_and_counted_in_the_navigation(cast):
    make_rule(cast.tenant, name="Own rule")
    make_rule(cast.neighbour_tenant, name="Their rule")
    for tenant in (cast.tenant, cast.neighbour_tenant):
        used(tenant, errors=40)
    evaluate_rules(NOON)
    just_asked = used(cast.tenant, timezone.now(), questions=3, simulated=2)
    page = cast.client("admin").get(base_of(cast.tenant)).content.decode()
    just_asked.delete()
    assert "Own rule" in page
    assert "Their rule" not in page
    assert "40 %" in page
    assert "2 of 3 questions of its window are demo traffic" in page
    assert f"/t/{cast.tenant.slug}/traces/?from=2031-03-05T11%3A45%3A00" in page
    assert re.search(r"nav-count[^>]*>1<", page)
    everything = cast.client("operator").get("/operator/alerts/").content.decode()
    assert "Own rule" in everything
    assert "Their rule" in everything
    assert re.search(r"nav-count[^>]*>2<", everything)


def test_a_rule_is_made_in_the_units_that_people_read(cast):
    client, base = cast.client("admin"), base_of(cast.tenant)
    refused = client.post(f"{base}rules/new/", FORM | {"warning_threshold": "30"})
    assert "The warning has to come first" in refused.content.decode()
    assert client.post(f"{base}rules/new/", FORM).status_code == 302
    rule = AlertRule.objects.get(tenant=cast.tenant)
    assert (rule.warning_threshold, rule.alert_threshold) == (0.05, 0.2)
    shown = client.get(f"{base}rules/{rule.pk}/").content.decode()
    assert 'name="alert_threshold" value="20"' in shown
    client.post(f"{base}rules/{rule.pk}/", FORM | {"name": "Renamed"})
    assert AlertRule.objects.get(pk=rule.pk).name == "Renamed"
    events = AuditEvent.objects.filter(tenant_id=cast.tenant.pk, action__startswith="alert_rule")
    assert set(events.values_list("action", flat=True)) >= {
        "alert_rule.created",
        "alert_rule.changed",
    }


def test_a_rule_on_what_has_no_past_says_why_it_cannot_be_tried(cast):
    form = FORM | {"scope": "fleet", "metric": "rollup_lag", "preview": "1"}
    page = cast.client("operator").post("/operator/alerts/rules/new/", form).content.decode()
    assert "Only the newest summing up is remembered." in page
    client, new = cast.client("admin"), f"{base_of(cast.tenant)}rules/new/"
    form = FORM | {"metric": "budget_used", "minimum_count": "5", "preview": "1"}
    page = client.post(new, form).content.decode()
    assert "There is never data of 5 budgets or more" in page
    assert "Budgets of single keys" in page


def test_a_least_count_that_is_left_empty_suits_the_metric(cast):
    client, new = cast.client("admin"), f"{base_of(cast.tenant)}rules/new/"
    for metric in ("budget_used", "error_rate"):
        client.post(new, FORM | {"metric": metric, "minimum_count": ""})
    rules = AlertRule.objects.filter(tenant=cast.tenant).values_list("metric", "minimum_count")
    assert dict(rules) == {"budget_used": 1, "error_rate": 10}


def test_a_rule_is_muted_disabled_and_deleted_with_what_it_opened(cast):
    client, base = cast.client("admin"), base_of(cast.tenant)
    rule = make_rule(cast.tenant)
    used(cast.tenant, errors=40)
    evaluate_rules(NOON)
    client.post(f"{base}rules/{rule.pk}/mute/", {"minutes": "60"})
    assert "Unmute" in client.get(f"{base}rules/").content.decode()
    client.post(f"{base}rules/{rule.pk}/enabled/", {"enabled": "0"})
    assert Alert.objects.get(rule=rule).ended_by == "The rule is disabled"
    asked = client.get(f"{base}rules/{rule.pk}/delete/").content.decode()
    assert "<strong>0</strong> open and <strong>1</strong> past" in asked
    client.post(f"{base}rules/{rule.pk}/delete/")
    assert not AlertRule.objects.filter(pk=rule.pk).exists()


def test_an_operators_rule_can_be_muted_by_a_tenant_for_itself_and_not_changed(cast):
    rule = make_rule(None, each_tenant=True, name="For each")
    fleet = make_rule(None, name="Of the fleet")
    client, base = cast.client("admin"), base_of(cast.tenant)
    page = client.get(f"{base}rules/").content.decode()
    assert "For each" in page
    assert "Of the fleet" not in page
    client.post(f"{base}rules/{rule.pk}/mute/", {"minutes": "60"})
    assert AlertMute.objects.filter(rule=rule, tenant=cast.tenant).exists()
    rule.refresh_from_db()
    assert rule.muted_until is None
    for path in ("", "delete/", "enabled/"):
        assert client.post(f"{base}rules/{rule.pk}/{path}", FORM).status_code == 404
    assert client.post(f"{base}rules/{fleet.pk}/mute/", {"minutes": "60"}).status_code == 404


def test_what_belongs_to_another_tenant_is_not_there(cast):
    rule, notifier = make_rule(cast.neighbour_tenant), make_notifier(cast.neighbour_tenant)
    client, base = cast.client("admin"), base_of(cast.tenant)
    for path in ("", "delete/"):
        assert client.get(f"{base}rules/{rule.pk}/{path}").status_code == 404
    assert client.get(f"{base}notifiers/{notifier.pk}/").status_code == 404
    for path in ("test/", "secret/", "enabled/", "delete/"):
        assert client.post(f"{base}notifiers/{notifier.pk}/{path}").status_code == 404
    assert notifier.name not in client.get(f"{base}notifiers/").content.decode()
    chosen = client.post(f"{base}rules/new/", FORM | {"notifiers": [str(notifier.pk)]})
    assert chosen.status_code == 200, "it is not among the choices"
    assert client.get("/operator/alerts/").status_code == 404
    assert cast.client("member").get(base).status_code == 403


def test_the_secret_and_the_address_of_a_webhook_are_shown_once_and_never_again(cast):
    client, base = cast.client("admin"), base_of(cast.tenant)
    url = "https://hooks.example.com/services/T0/very-secret"
    made = client.post(f"{base}notifiers/new/webhook/", {"name": "Hook", "target": url})
    secret = re.search(r"whsec_[\w+/=]+", made.content.decode()).group()
    notifier = Notifier.objects.get(tenant=cast.tenant, name="Hook")
    assert decrypt(notifier.secret_encrypted) == secret
    assert "very-secret" not in notifier.target
    for path in ("notifiers/", f"notifiers/{notifier.pk}/"):
        page = client.get(base + path).content.decode()
        assert secret not in page
        assert "very-secret" not in page
    client.post(f"{base}notifiers/{notifier.pk}/", {"name": "Hook 2", "target": ""})
    renewed = client.post(f"{base}notifiers/{notifier.pk}/secret/").content.decode()
    notifier.refresh_from_db()
    assert decrypt(notifier.url_encrypted) == url
    assert decrypt(notifier.secret_encrypted) in renewed
    assert secret not in renewed


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "https://a:b@example.com/", "hook", "http://"]
)
def test_an_address_that_cannot_be_posted_to_is_refused(cast, url):
    page = cast.client("admin").post(
        f"{base_of(cast.tenant)}notifiers/new/slack/", {"name": "Bad", "target": url}
    )
    assert page.status_code == 200
    assert not Notifier.objects.filter(name="Bad").exists()
