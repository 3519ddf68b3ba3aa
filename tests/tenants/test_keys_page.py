from __future__ import annotations

import re

import pytest
from django.urls import reverse

from ragadmin.errors import InvalidRequest, PermissionDenied
from tenants.grants import Granter
from tenants.keys import create_api_key, issue_key
from tenants.models import ApiKey, AuditEvent
from tenants.secrets import hash_key
from tenants.services import add_member


def post(cast, name, /, **changes):
    data = {"name": "Website", "scopes": ["query"], "access_levels": ["public"]} | changes
    return cast.client(name).post(reverse("keys", args=[cast.tenant.slug]), data)


def test_new_key_is_shown_once_and_stored_as_a_hash(cast):
    response = post(cast, "admin")
    key = re.findall(r"rag-[\w-]{40,}", response.content.decode())[0]
    row = ApiKey.objects.get(tenant=cast.tenant)
    assert row.key_hash == hash_key(key)
    assert (row.name, row.scopes, row.access_levels) == ("Website", ["query"], ["public"])
    assert row.created_by == cast["admin"]
    assert "no-store" in response["Cache-Control"]
    again = cast.client("admin").get(reverse("keys", args=[cast.tenant.slug])).content.decode()
    assert key not in again
    assert row.prefix in again


def test_snippet_names_this_address(cast):
    assert 'base_url="http://testserver/v1"' in post(cast, "admin").content.decode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"scopes": []}, "Choose at least one scope."),
        ({"scopes": ["operator"]}, "Select a valid choice."),
        ({"access_levels": []}, "Choose at least one access level."),
        ({"access_levels": ["secret"]}, "Select a valid choice."),
    ],
)
def test_bad_form_says_what_is_wrong_and_makes_no_key(cast, changes, message):
    response = post(cast, "admin", **changes)
    assert message in response.content.decode()
    assert not ApiKey.objects.filter(tenant=cast.tenant).exists()


def test_key_opens_no_more_than_its_maker_can(cast):
    add_member(tenant=cast.tenant, user=cast["admin"], role="admin", access_levels=["public"])
    post(cast, "admin", access_levels=["public", "internal"])
    assert not ApiKey.objects.filter(tenant=cast.tenant).exists()
    granter = Granter(cast["admin"], "admin", ("public",))
    with pytest.raises(PermissionDenied, match="do not have it yourself"):
        issue_key(
            tenant=cast.tenant,
            name="x",
            scopes=["query"],
            access_levels=["internal"],
            granter=granter,
        )


def test_revoked_key_stays_in_the_list_and_the_audit_trail(cast):
    row, _ = create_api_key(tenant=cast.tenant, name="Old", scopes=["query"])
    url = reverse("key-revoke", args=[cast.tenant.slug, row.pk])
    cast.client("admin").post(url)
    response = cast.client("admin").post(url, follow=True)
    assert "Revoked" in response.content.decode()
    row.refresh_from_db()
    assert row.revoked_at is not None
    events = AuditEvent.objects.filter(tenant=cast.tenant, action="api_key.revoked")
    assert [event.actor for event in events] == [cast["admin"].email]


def test_revoking_by_htmx_loads_the_page_anew(cast):
    row, _ = create_api_key(tenant=cast.tenant, name="Old", scopes=["query"])
    url = reverse("key-revoke", args=[cast.tenant.slug, row.pk])
    response = cast.client("admin").post(url, headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == reverse("keys", args=[cast.tenant.slug])


def test_key_of_another_tenant_cannot_be_revoked(cast):
    row, _ = create_api_key(tenant=cast.neighbour_tenant, name="Theirs", scopes=["query"])
    url = reverse("key-revoke", args=[cast.tenant.slug, row.pk])
    assert cast.client("owner").post(url).status_code == 404
    row.refresh_from_db()
    assert row.revoked_at is None


@pytest.mark.parametrize("name", ["member", "stranger", "neighbour", "nobody"])
def test_only_admins_revoke(cast, name):
    row, _ = create_api_key(tenant=cast.tenant, name="Kept", scopes=["query"])
    cast.client(name).post(reverse("key-revoke", args=[cast.tenant.slug, row.pk]))
    row.refresh_from_db()
    assert row.revoked_at is None


def test_forged_post_without_token_is_refused(cast):
    client = cast.client("owner", enforce_csrf_checks=True)
    response = client.post(reverse("keys", args=[cast.tenant.slug]), {"name": "x"})
    assert response.status_code == 403
    assert not ApiKey.objects.filter(tenant=cast.tenant).exists()


def test_key_list_costs_the_same_queries_for_many_keys(cast):
    client = cast.client("admin")
    url = reverse("keys", args=[cast.tenant.slug])
    create_api_key(tenant=cast.tenant, name="first", scopes=["query"])
    few = count_queries(client, url)
    for number in range(8):
        create_api_key(
            tenant=cast.tenant, name=f"k{number}", scopes=["query"], created_by=cast["owner"]
        )
    assert count_queries(client, url) == few


def count_queries(client, url) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    ("name", "scopes", "levels"),
    [("", ["query"], []), ("x", [], []), ("x", ["operator"], []), ("x", ["query"], ["secret"])],
)
def test_service_refuses_what_a_key_cannot_have(tenant, name, scopes, levels):
    with pytest.raises(InvalidRequest):
        create_api_key(tenant=tenant, name=name, scopes=scopes, access_levels=levels)
