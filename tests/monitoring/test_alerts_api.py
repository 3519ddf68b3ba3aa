"""Alert rules and alerts over the API, each for whoever may see them."""

from __future__ import annotations

import pytest
from django.test import Client

from monitoring.alerts import evaluate_rules
from monitoring.models import AlertRule, Notifier
from tenants.keys import create_api_key
from tenants.secrets import decrypt
from tests.monitoring.alerting import NOON, make_notifier, make_rule, make_tenants, used
from tests.monitoring.receiving import answer, receiving

RULES, ALERTS = "/api/v1/alert-rules/", "/api/v1/alerts/"

pytestmark = pytest.mark.usefixtures("no_other_rules")
NOTIFIERS = "/api/v1/notifiers/"
NEW = {
    "name": "Failing",
    "metric": "error_rate",
    "window_minutes": 15,
    "comparison": "above",
    "alert_threshold": 0.2,
}


@pytest.fixture(scope="module")
def tenants(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_tenants(2)


def client_of(tenant, *scopes) -> Client:
    _, key = create_api_key(
        tenant=tenant, name="k", scopes=list(scopes), access_levels=["public"], actor="test"
    )
    return Client(headers={"authorization": f"Bearer {key}"})


def send(client, method, path, body):
    return getattr(client, method)(path, body, content_type="application/json")


def enabled(client) -> list[dict]:
    """Rules without those of the installation, which these tests switch off."""
    return [one for one in client.get(RULES).json()["results"] if one["is_enabled"]]


def test_a_tenants_key_makes_changes_mutes_and_deletes_its_own_rules(tenants):
    client = client_of(tenants[0], "admin")
    made = send(client, "post", RULES, NEW)
    assert made.status_code == 201, made.content
    path = f"{RULES}{made.json()['id']}/"
    assert made.json()["tenant"] == tenants[0].slug
    changed = send(client, "patch", path, {"warning_threshold": 0.1})
    assert changed.json()["warning_threshold"] == 0.1
    refused = send(client, "patch", path, {"warning_threshold": 0.3})
    assert refused.status_code == 400
    assert refused.json()["error"]["extra"]["field"] == "warning_threshold"
    assert send(client, "post", f"{path}mute/", {"minutes": 60}).json()["muted_until"]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client_of(tenants[0], "query").get(RULES).status_code == 403


def test_nobody_reaches_another_tenants_rules_alerts_or_notifiers(tenants):
    tenant, neighbour = tenants
    theirs, operators = make_rule(neighbour), make_rule(None, each_tenant=True, name="For each")
    make_rule(None, name="Fleet")
    notifier = make_notifier(neighbour)
    operators.notifiers.add(make_notifier())
    for one in tenants:
        used(one, errors=40)
    evaluate_rules(NOON)
    client = client_of(tenant, "admin")
    (listed,) = enabled(client)
    assert (listed["name"], listed["notifiers"]) == ("For each", [])
    assert [one["tenant"] for one in client.get(ALERTS).json()["results"]] == [tenant.slug]
    their_alert = theirs.alert_set.get()
    assert client.get(f"{ALERTS}{their_alert.pk}/").status_code == 404
    for method, path, body in (
        ("patch", f"{RULES}{theirs.pk}/", {"name": "x"}),
        ("patch", f"{RULES}{operators.pk}/", {"name": "x"}),
        ("delete", f"{RULES}{operators.pk}/", {}),
        ("post", f"{RULES}{theirs.pk}/mute/", {"minutes": 5}),
    ):
        assert send(client, method, path, body).status_code == 404
    assert client.get(NOTIFIERS).json()["results"] == []
    assert str(notifier.pk) in client_of(neighbour, "admin").get(NOTIFIERS).content.decode()
    for method, path in (("get", ""), ("patch", ""), ("delete", ""), ("post", "test/")):
        for visitor in (client, client_of(None, "operator")):
            asked = send(visitor, method, f"{NOTIFIERS}{notifier.pk}/{path}", {})
            assert asked.status_code == 404
    assert client_of(neighbour, "query").get(NOTIFIERS).status_code == 403
    stolen = send(client, "post", RULES, NEW | {"notifiers": [str(notifier.pk)]})
    assert stolen.json()["error"]["extra"]["field"] == "notifiers"
    widened = send(client, "post", RULES, NEW | {"each_tenant": True})
    assert widened.status_code == 400


def test_an_operators_key_sees_all_and_filters(tenants):
    rule = make_rule(tenants[0])
    used(tenants[0], errors=40)
    evaluate_rules(NOON)
    client = client_of(None, "operator")
    assert [one["id"] for one in enabled(client)] == [str(rule.pk)]
    assert client.get(ALERTS, {"state": "open"}).json()["count"] == 1
    assert client.get(ALERTS, {"state": "resolved"}).json()["count"] == 0
    assert client.get(ALERTS, {"tenant": tenants[1].slug}).json()["count"] == 0
    made = send(client, "post", RULES, NEW | {"each_tenant": True})
    assert AlertRule.objects.get(pk=made.json()["id"]).tenant is None


def test_a_tenants_key_makes_tries_changes_and_deletes_its_notifiers(tenants, settings):
    settings.PRIVATE_SOURCE_HOSTS = ["127.0.0.1"]
    client = client_of(tenants[0], "admin")
    with receiving(answer("200 OK"), answer("500 Oops")) as receiver:
        new = {"name": "Hook", "kind": "webhook", "target": receiver.url}
        made = send(client, "post", NOTIFIERS, new)
        assert made.status_code == 201, made.content
        assert made["Cache-Control"] == "no-store"
        path = f"{NOTIFIERS}{made.json()['id']}/"
        assert send(client, "post", f"{path}test/", {}).json() == {"delivered": True}
        failed = send(client, "post", f"{path}test/", {})
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "not_delivered")
    notifier = Notifier.objects.get(pk=made.json()["id"])
    assert notifier.tenant == tenants[0]
    assert decrypt(notifier.secret_encrypted) == made.json()["secret"]
    own = "whsec_" + "A" * 32
    changed = send(client, "patch", path, {"secret": own, "is_enabled": False})
    shown = changed.content.decode() + client.get(path).content.decode()
    assert changed.json()["is_enabled"] is False
    assert "secret" not in shown
    notifier.refresh_from_db()
    assert decrypt(notifier.secret_encrypted) == own
    assert decrypt(notifier.url_encrypted) == receiver.url, "what is left out stays"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target": "http://[::ffff:10.0.0.1]/hook"}, "target"),
        ({"target": "http://2130706433/hook"}, "target"),
        ({"target": "ftp://example.com/"}, "target"),
        ({"secret": "whsec_c2hvcnQ="}, "secret"),
        ({"kind": "slack", "secret": "whsec_" + "A" * 32}, "secret"),
        ({"kind": "email", "target": "nobody"}, "target"),
        ({"name": " "}, "name"),
    ],
)
def test_a_notifier_that_cannot_work_is_refused_and_says_which_field(tenants, change, field):
    client = client_of(tenants[0], "admin")
    new = {"name": "Hook", "kind": "webhook", "target": "https://example.com/hook"}
    refused = send(client, "post", NOTIFIERS, new | change)
    assert refused.status_code == 400
    extra = refused.json()["error"]["extra"]
    assert extra.get("field") == field or field in extra["fields"]
    assert not Notifier.objects.exists()


def test_a_rule_is_tried_on_the_past_without_being_saved(tenants):
    client = client_of(tenants[0], "admin")
    (preview,) = send(client, "post", f"{RULES}preview/", NEW).json()
    assert preview == {"tenant": tenants[0].slug, "messages": 0, "episodes": []}
    assert not AlertRule.objects.filter(tenant=tenants[0]).exists()
