from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tenants.keys import create_api_key, revoke_api_key
from tenants.models import ApiKey, Tenant

MEMBERS = "/api/v1/members/"
TENANTS = "/api/v1/tenants/"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def key_of(tenant, *scopes: str) -> str:
    return create_api_key(tenant=tenant, name="test", scopes=scopes or ["admin"])[1]


def error_of(response) -> dict:
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "extra"]
    return body["error"]


def test_nobody_is_asked_for_a_key():
    response = Client().get(MEMBERS)
    assert response.status_code == 401
    assert error_of(response)["code"] == "not_authenticated"
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", ["rag-unknown", "", "ключ", "a b c"])
def test_unknown_key_is_refused(key):
    response = Client().get(MEMBERS, headers={"Authorization": f"Bearer {key}".encode()})
    assert response.status_code == 401
    assert error_of(response)["code"] == "invalid_api_key"
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_key_opens_its_own_tenant_only(shared_cast):
    response = Client().get(MEMBERS, headers=bearer(key_of(shared_cast.neighbour_tenant)))
    assert [row["email"] for row in response.json()["results"]] == [shared_cast["neighbour"].email]


def test_key_does_not_follow_the_header_into_another_tenant(shared_cast):
    headers = bearer(key_of(shared_cast.neighbour_tenant)) | {
        "X-Ragadmin-Tenant": shared_cast.tenant.slug
    }
    response = Client().get(f"{MEMBERS}?tenant={shared_cast.tenant.slug}", headers=headers)
    assert [row["email"] for row in response.json()["results"]] == [shared_cast["neighbour"].email]


def test_revoked_key_is_refused_at_once(tenant):
    row, key = create_api_key(tenant=tenant, name="old", scopes=["admin"])
    assert Client().get(MEMBERS, headers=bearer(key)).status_code == 200
    revoke_api_key(row, actor=None)
    assert Client().get(MEMBERS, headers=bearer(key)).status_code == 401


def test_key_of_a_suspended_tenant_is_told_so(tenant):
    key = key_of(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(status="suspended")
    response = Client().get(MEMBERS, headers=bearer(key))
    assert response.status_code == 403
    assert error_of(response)["code"] == "tenant_suspended"


def test_use_of_a_key_is_noted_at_most_once_a_minute(tenant):
    row, key = create_api_key(tenant=tenant, name="busy", scopes=["admin"])
    Client().get(MEMBERS, headers=bearer(key))
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None
    with CaptureQueriesContext(connection) as queries:
        Client().get(MEMBERS, headers=bearer(key))
    assert not any("UPDATE" in query["sql"] for query in queries)
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now() - timedelta(minutes=2))
    Client().get(MEMBERS, headers=bearer(key))
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert row.last_used_at > first


@pytest.mark.parametrize("scopes", [["query"], ["ingest"], ["query", "ingest"]])
def test_key_without_the_scope_is_told_which_one_it_lacks(shared_cast, scopes):
    response = Client().get(MEMBERS, headers=bearer(key_of(shared_cast.tenant, *scopes)))
    assert response.status_code == 403
    assert error_of(response)["code"] == "scope_missing"
    assert error_of(response)["extra"] == {"scopes": ["admin"]}


def test_operator_key_is_for_the_fleet_and_no_tenant(shared_cast):
    _, key = create_api_key(tenant=None, name="fleet", scopes=["operator"])
    assert Client().get(TENANTS, headers=bearer(key)).status_code == 200
    response = Client().get(MEMBERS, headers=bearer(key))
    assert response.status_code == 403
    assert error_of(response)["code"] == "scope_missing"


def test_admin_key_is_not_for_the_fleet(shared_cast):
    response = Client().get(
        TENANTS, headers=bearer(key_of(shared_cast.tenant, "query", "ingest", "admin"))
    )
    assert response.status_code == 403


SESSIONS = {
    "owner": 200,
    "admin": 200,
    "operator": 200,
    "member": 403,
    "stranger": 404,
    "neighbour": 404,
    "nobody": 401,
}


@pytest.mark.parametrize("name", SESSIONS)
def test_browser_session_has_the_scopes_of_its_role(shared_cast, name):
    slug = shared_cast.tenant.slug
    client = shared_cast.client(name)
    by_header = client.get(MEMBERS, headers={"X-Ragadmin-Tenant": slug})
    by_query = client.get(MEMBERS, {"tenant": slug})
    assert by_header.status_code == by_query.status_code == SESSIONS[name]


@pytest.mark.parametrize("name", SESSIONS)
def test_fleet_is_for_operators(shared_cast, name):
    expected = {"operator": 200, "nobody": 401}.get(name, 403)
    assert shared_cast.client(name).get(TENANTS).status_code == expected


def test_stranger_and_unknown_tenant_get_the_same_answer(shared_cast):
    client = shared_cast.client("stranger")
    other = client.get(MEMBERS, {"tenant": shared_cast.tenant.slug})
    assert other.json() == client.get(MEMBERS, {"tenant": "no-such-tenant"}).json()
    assert client.get(MEMBERS, {"tenant": "\0"}).status_code == 404


@pytest.mark.parametrize("name", ["owner", "operator"])
def test_session_without_a_tenant_is_asked_for_one(shared_cast, name):
    response = shared_cast.client(name).get(MEMBERS)
    assert response.status_code == 403
    expected = "scope_missing" if name == "operator" else "tenant_required"
    assert error_of(response)["code"] == expected


def test_suspended_tenant_is_closed_to_sessions_but_operators(cast):
    Tenant.objects.filter(pk=cast.tenant.pk).update(status="suspended")
    query = {"tenant": cast.tenant.slug}
    assert cast.client("operator").get(MEMBERS, query).status_code == 200
    response = cast.client("owner").get(MEMBERS, query)
    assert error_of(response)["code"] == "tenant_suspended"


def test_session_write_needs_the_csrf_token(cast):
    client = cast.client("owner", enforce_csrf_checks=True)
    headers = {"X-Ragadmin-Tenant": cast.tenant.slug}
    body = {"email": cast["stranger"].email}
    refused = client.post(MEMBERS, body, "application/json", headers=headers)
    assert refused.status_code == 403
    assert error_of(refused)["code"] == "csrf_failed"
    client.get(reverse("members", args=[cast.tenant.slug]))
    headers["X-CSRFToken"] = client.cookies["csrftoken"].value
    assert client.post(MEMBERS, body, "application/json", headers=headers).status_code == 201


def test_key_write_needs_no_csrf_token(cast):
    response = Client(enforce_csrf_checks=True).post(
        MEMBERS,
        {"email": cast["stranger"].email},
        "application/json",
        headers=bearer(key_of(cast.tenant)),
    )
    assert response.status_code == 201


def test_person_who_is_no_longer_active_is_out(cast):
    client = cast.client("owner")
    type(cast["owner"]).objects.filter(pk=cast["owner"].pk).update(is_active=False)
    assert client.get(MEMBERS, {"tenant": cast.tenant.slug}).status_code == 401
