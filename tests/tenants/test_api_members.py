from __future__ import annotations

import pytest

from tenants.keys import create_api_key
from tenants.models import AuditEvent, Membership
from tests.tenants.conftest import new_email

MEMBERS = "/api/v1/members/"


@pytest.fixture
def api(cast, client):
    """Calls the members API with an admin key of the cast's tenant."""
    _, key = create_api_key(tenant=cast.tenant, name="HR", scopes=["admin"])

    def call(method: str, path: str = "", body: dict | None = None):
        if method == "get":
            return client.get(MEMBERS + path, headers={"Authorization": f"Bearer {key}"})
        return getattr(client, method)(
            MEMBERS + path,
            body,
            "application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return call


def code_of(response) -> str:
    return response.json()["error"]["code"]


def test_new_member_comes_with_an_initial_password(api, cast):
    email = new_email()
    response = api("post", body={"email": email, "role": "admin", "access_levels": ["public"]})
    body = response.json()
    assert response.status_code == 201
    assert (body["email"], body["role"], body["access_levels"]) == (email, "admin", ["public"])
    assert len(body["initial_password"]) == 16
    assert response["Cache-Control"] == "no-store"
    assert "initial_password" not in api("patch", f"{body['id']}/", {"role": "member"}).json()


def test_member_gets_the_levels_of_the_caller_when_none_are_named(api, cast):
    body = api("post", body={"email": cast["stranger"].email}).json()
    assert (body["role"], body["access_levels"]) == ("member", ["public", "internal"])
    assert body["initial_password"] == ""


def test_key_never_makes_or_touches_an_owner(api, cast):
    owner, member = cast.membership("owner"), cast.membership("member")
    assert code_of(api("post", body={"email": new_email(), "role": "owner"})) == "role_too_high"
    assert code_of(api("patch", f"{member.pk}/", {"role": "owner"})) == "role_too_high"
    assert code_of(api("patch", f"{owner.pk}/", {"role": "member"})) == "role_too_high"
    assert code_of(api("delete", f"{owner.pk}/")) == "role_too_high"


def test_change_and_removal_are_audited_under_the_key(api, cast):
    member = cast.membership("member")
    assert api("patch", f"{member.pk}/", {"access_levels": ["public"]}).status_code == 200
    assert api("delete", f"{member.pk}/").status_code == 204
    assert not Membership.objects.filter(pk=member.pk).exists()
    events = AuditEvent.objects.filter(tenant=cast.tenant, target=cast["member"].email)
    by_key = [event.action for event in events if event.actor.startswith("HR (rag-")]
    assert by_key == ["member.removed", "member.set"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@example.com", "role": "king"}, "role"),
        ({"email": "a@example.com", "access_levels": "public"}, "access_levels"),
        ({"email": "a@example.com", "rolle": "admin"}, "rolle"),
        ({"email": "a\0@example.com"}, "email"),
        ([], "non_field_errors"),
    ],
)
def test_bad_body_names_the_field(api, body, field):
    response = api("post", body=body)
    assert response.status_code == 400
    assert code_of(response) == "invalid_request"
    assert field in response.json()["error"]["extra"]["fields"]


def test_unknown_level_is_named(api):
    response = api("post", body={"email": new_email(), "access_levels": ["secret"]})
    assert response.status_code == 400
    assert "'secret'" in response.json()["error"]["message"]


def test_member_of_another_tenant_is_not_found(api, cast):
    foreign = Membership.objects.get(tenant=cast.neighbour_tenant)
    for method in ("get", "patch", "delete"):
        response = api(method, f"{foreign.pk}/", {"role": "member"} if method == "patch" else None)
        assert response.status_code == 404
    assert api("get", f"{2**70}/").status_code == 404


def test_last_owner_stays(cast):
    owner = cast.membership("owner")
    client = cast.client("operator")
    path = f"{MEMBERS}{owner.pk}/?tenant={cast.tenant.slug}"
    assert code_of(client.delete(path)) == "last_owner"
    response = client.patch(path, {"role": "member"}, "application/json")
    assert (response.status_code, code_of(response)) == (409, "last_owner")
    assert cast.membership("owner").role == "owner"


def test_list_is_paged(api, cast):
    body = api("get", "?page_size=2").json()
    assert (body["count"], len(body["results"])) == (3, 2)
    assert "page=2" in body["next"]
    assert code_of(api("get", "?page=9")) == "not_found"
