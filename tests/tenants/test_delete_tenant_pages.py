"""Deleting a tenant on the operator's page and in the API."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from tenants.keys import create_api_key
from tenants.models import AuditEvent, Tenant
from tenants.services import create_tenant
from tests.corpora import give_documents
from tests.tenants.archives import new_slug


@pytest.fixture
def api():
    key = create_api_key(tenant=None, name=f"fleet {uuid.uuid4().hex[:6]}", scopes=["operator"])[1]
    return Client(headers={"Authorization": f"Bearer {key}"})


def test_the_api_tells_the_counts_before_and_after(api, tenant):
    give_documents(tenant)
    response = api.delete(f"/api/v1/tenants/{tenant.slug}/?confirm={tenant.slug}")
    assert response.status_code == 200
    body = response.json()
    assert body["slug"] == tenant.slug
    assert body["before"]["document rows"] == 2
    assert not any(body["after"].values())
    assert not Tenant.objects.filter(pk=tenant.pk).exists()
    event = AuditEvent.objects.get(action="tenant.deleted", target=tenant.slug)
    assert event.actor.startswith("fleet")
    assert api.delete(f"/api/v1/tenants/{tenant.slug}/?confirm=x").status_code == 404


@pytest.mark.parametrize("query", ["", "?confirm=", "?confirm=another", "?confirm=%00"])
def test_without_the_slug_again_the_api_deletes_nothing(api, tenant, query):
    response = api.delete(f"/api/v1/tenants/{tenant.slug}/{query}")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "not_confirmed"
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_a_tenants_own_key_deletes_no_tenant(tenant):
    other = create_tenant(slug=new_slug())
    key = create_api_key(tenant=tenant, name="all", scopes=["query", "ingest", "admin"])[1]
    for each in (tenant, other):
        response = Client(headers={"Authorization": f"Bearer {key}"}).delete(
            f"/api/v1/tenants/{each.slug}/?confirm={each.slug}"
        )
        assert response.status_code == 403
    assert Tenant.objects.filter(pk__in=[tenant.pk, other.pk]).count() == 2


def test_the_page_counts_first_and_wants_the_slug(cast):
    give_documents(cast.tenant)
    client, url = (
        cast.client("operator"),
        reverse("operator-tenant-delete", args=[cast.tenant.slug]),
    )
    page = client.get(url).content.decode()
    assert "Document rows" in page
    assert f"Type {cast.tenant.slug} to confirm" in page
    for typed in ("", "no", cast.tenant.slug.upper()):
        response = client.post(url, {"slug": typed})
        assert response.context["form"].errors["slug"]
    assert Tenant.objects.filter(pk=cast.tenant.pk).exists()
    deleted = client.post(url, {"slug": cast.tenant.slug})
    assert f"{cast.tenant.slug} is deleted" in deleted.content.decode()
    assert not Tenant.objects.filter(pk=cast.tenant.pk).exists()
    event = AuditEvent.objects.get(action="tenant.deleted", target=cast.tenant.slug)
    assert event.actor == cast["operator"].email


@pytest.mark.parametrize("name", ["owner", "admin", "member", "stranger"])
@pytest.mark.parametrize(
    "page",
    [
        "operator-tenant-delete",
        "operator-tenant-export",
        "operator-tenant-export-state",
        "operator-tenant-export-file",
        "operator-import-tenant",
    ],
)
def test_the_pages_do_not_exist_for_others(shared_cast, name, page):
    tenant = shared_cast.tenant
    url = reverse(page, args=[tenant.slug] if "import" not in page else [])
    client = shared_cast.client(name)
    values = {"slug": tenant.slug}
    assert {client.get(url).status_code, client.post(url, values).status_code} <= {404, 405}
    assert Tenant.objects.filter(pk=tenant.pk).exists()
