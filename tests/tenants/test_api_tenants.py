from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tenants.keys import create_api_key
from tenants.models import ApiKey, AuditEvent, Provider, Tenant

TENANTS = "/api/v1/tenants/"


@pytest.fixture(scope="module")
def operator_key(django_db_setup, django_db_blocker) -> str:
    with django_db_blocker.unblock():
        return create_api_key(tenant=None, name="fleet", scopes=["operator"])[1]


@pytest.fixture
def api(operator_key):
    headers = {"Authorization": f"Bearer {operator_key}"}

    def call(method: str, path: str = "", body: dict | None = None):
        if method == "get":
            return Client().get(TENANTS + path, headers=headers)
        return getattr(Client(), method)(TENANTS + path, body, "application/json", headers=headers)

    return call


def new_slug() -> str:
    return f"t-{uuid.uuid4().hex[:10]}"


def test_operator_creates_and_reads_a_tenant(api):
    slug = new_slug()
    created = api("post", body={"slug": slug, "name": "Handbook"})
    assert created.status_code == 201
    assert created.json() == api("get", f"{slug}/").json()
    body = created.json()
    assert (body["slug"], body["name"], body["status"]) == (slug, "Handbook", "active")
    assert (body["embedding_dimension"], body["access_levels"]) == (384, ["public", "internal"])
    assert body["provider"] is None
    assert AuditEvent.objects.get(action="tenant.created", target=slug).actor.startswith("fleet (")


def test_list_is_paged(api, tenant):
    body = api("get", "?page_size=200").json()
    assert list(body) == ["count", "next", "previous", "results"]
    assert tenant.slug in [row["slug"] for row in body["results"]] or body["count"] > 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "slug"),
        ({"slug": "x" * 41}, "slug"),
        ({"slug": "ok-slug", "isolation": "none"}, "isolation"),
        ({"slug": "ok-slug", "colour": "red"}, "colour"),
    ],
)
def test_bad_tenant_names_the_field(api, body, field):
    response = api("post", body=body)
    assert response.status_code == 400
    assert field in response.json()["error"]["extra"]["fields"]


@pytest.mark.parametrize("slug", ["Ab", "operator", "-ab", "a_b_c", "a b"])
def test_bad_slug_is_explained(api, slug):
    response = api("post", body={"slug": slug})
    assert response.status_code == 400
    assert response.json()["error"]["extra"] == {"field": "slug"}


def test_taken_slug_is_a_conflict(api, tenant):
    response = api("post", body={"slug": tenant.slug})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "slug_taken")


def test_operator_changes_settings(api, tenant):
    provider = Provider.objects.create(
        name=f"p-{uuid.uuid4().hex[:8]}",
        base_url="http://localhost:1/v1",
        small_model="small",
        large_model="large",
    )
    wanted = {
        "name": "Renamed",
        "status": "suspended",
        "top_k": 9,
        "min_similarity": 0.4,
        "chunk_tokens": 300,
        "access_levels": ["public", "board"],
        "provider": provider.name,
        "timezone": "Europe/Berlin",
        "questions_per_minute": 600,
    }
    response = api("patch", f"{tenant.slug}/", wanted)
    assert response.status_code == 200
    assert {name: response.json()[name] for name in wanted} == wanted
    back = api("patch", f"{tenant.slug}/", {"provider": None, "status": "active"}).json()
    assert (back["provider"], back["status"], back["top_k"]) == (None, "active", 9)


def test_query_settings_change_one_by_one(api, tenant):
    path = f"{tenant.slug}/"
    assert api("get", path).json()["query_settings"]["multi_query"] == "off"
    api("patch", path, {"query_settings": {"multi_query": "auto", "compress": False}})
    shown = api("patch", path, {"query_settings": {"compress": True}}).json()["query_settings"]
    assert (shown["multi_query"], shown["compress"], shown["neighbours"]) == ("auto", True, 0)
    tenant.refresh_from_db()
    assert tenant.query_settings == {"multi_query": "auto"}


@pytest.mark.parametrize(
    "body",
    [
        {"timezone": "Nowhere/Atlantis"},
        {"timezone": ""},
        {"questions_per_minute": 0},
        {"questions_per_minute": 10**9},
        {"query_settings": {"colour": "red"}},
        {"query_settings": {"compress": 1}},
        {"query_settings": {"rewrites": 99}},
        {"query_settings": []},
        {"top_k": 0},
        {"min_similarity": 1.5},
        {"min_similarity": "nan"},
        {"chunk_tokens": 10},
        {"access_levels": []},
        {"access_levels": ["Top Secret"]},
        {"status": "gone"},
        {"provider": "no such provider"},
        {"slug": "other"},
        {"name": ""},
    ],
)
def test_bad_change_saves_nothing(api, tenant, body):
    response = api("patch", f"{tenant.slug}/", body)
    assert response.status_code == 400
    before = Tenant.objects.get(pk=tenant.pk)
    assert (before.top_k, before.min_similarity, before.slug) == (5, 0.2, tenant.slug)
    assert (before.timezone, before.questions_per_minute) == ("UTC", None)
    assert before.query_settings == {}


def test_unknown_tenant_is_not_found(api):
    for path in ("no-such-tenant/", "no-such-tenant/keys/"):
        assert api("get", path).status_code == 404


def test_key_is_shown_once_works_and_is_revoked(api, tenant):
    path = f"{tenant.slug}/keys/"
    wanted = {"scopes": ["admin"], "access_levels": ["public"], "questions_per_minute": 60}
    made = api("post", path, {"name": "CI", **wanted})
    assert made.status_code == 201
    assert made.json()["questions_per_minute"] == 60
    assert made["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    assert Client().get("/api/v1/members/", headers=headers).status_code == 200
    [row] = api("get", path).json()["results"]
    assert "key" not in row
    assert (row["prefix"], row["access_levels"]) == (made.json()["key"][:12], ["public"])
    assert api("delete", f"{path}{row['id']}/").status_code == 204
    assert Client().get("/api/v1/members/", headers=headers).status_code == 401
    assert api("get", path).json()["results"][0]["revoked_at"]


def test_key_of_another_tenant_is_not_found(api, tenant, cast):
    row, _ = create_api_key(tenant=cast.tenant, name="Theirs", scopes=["query"])
    assert api("delete", f"{tenant.slug}/keys/{row.pk}/").status_code == 404
    assert ApiKey.objects.get(pk=row.pk).revoked_at is None


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": ["operator"]},
        {"name": "x", "scopes": []},
        {"name": " "},
        {"name": "x", "access_levels": ["secret"]},
        {"name": "x", "questions_per_minute": 0},
        {"name": "x", "questions_per_minute": "many"},
    ],
)
def test_bad_key_is_refused(api, tenant, body):
    assert api("post", f"{tenant.slug}/keys/", body).status_code == 400
    assert not ApiKey.objects.filter(tenant=tenant).exists()


@pytest.mark.parametrize("name", ["owner", "admin", "member", "neighbour", "nobody"])
def test_fleet_routes_are_for_operators_only(shared_cast, name):
    slug = shared_cast.tenant.slug
    client = shared_cast.client(name)
    expected = 401 if name == "nobody" else 403
    query = f"?tenant={slug}" if name in {"owner", "admin", "member"} else ""
    for path in ("", f"{slug}/", f"{slug}/keys/"):
        assert client.get(f"{TENANTS}{path}{query}").status_code == expected
    key = client.post(f"{TENANTS}{slug}/keys/{query}", {"name": "x"}, "application/json")
    change = client.patch(f"{TENANTS}{slug}/{query}", {"top_k": 9}, "application/json")
    assert key.status_code == change.status_code == expected
