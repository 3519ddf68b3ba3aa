"""Asking for a move on the operator's page, in the API and on the command line."""

from __future__ import annotations

import io
import json
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from ragadmin.errors import Conflict
from tenants.keys import create_api_key
from tenants.models import AuditEvent, Tenant, TenantMove
from tenants.moving.request import begin_move, move_tenant
from tenants.schema import owner
from tenants.services import create_tenant
from tenants.tasks import run_move, tend_moves
from tests.documents import DOCUMENTS, upload_and_index
from tests.tenants.moving import contents, leftovers


@pytest.fixture
def api():
    key = create_api_key(tenant=None, name="fleet", scopes=["operator"])[1]
    client = Client(headers={"Authorization": f"Bearer {key}"})

    def call(method, slug, body=None):
        url = f"/api/v1/tenants/{slug}/move/"
        return (
            getattr(client, method)(url, body, "application/json")
            if body
            else getattr(client, method)(url)
        )

    return call


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("move_tenant", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_says_what_was_compared(tenant):
    upload_and_index(tenant, DOCUMENTS)
    rows = sum(map(len, contents(tenant).values()))
    said = run(tenant.slug, "--to", "shared")
    assert f"{len(contents(tenant))} tables, {rows} rows, checksums equal." in said
    assert "Copying …" in said
    described = json.loads(run(tenant.slug, "--to", "schema", "--json"))
    assert described["rows"] == rows
    assert described["to"] == {"isolation": "schema", "schema_name": tenant.schema_name}
    assert described["is_cleaned"] is True
    event = AuditEvent.objects.filter(tenant=tenant, action="tenant.moved").latest("pk")
    assert event.detail["to_isolation"] == "schema"


def test_a_move_to_where_it_is_is_refused(tenant):
    with pytest.raises(CommandError, match="is in isolation schema already"):
        run(tenant.slug, "--to", "schema")
    assert not TenantMove.objects.filter(tenant=tenant).exists()


def test_a_tenant_whose_schema_is_gone_is_not_moved(tenant):
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{tenant.schema_name}" CASCADE')
    with pytest.raises(CommandError, match="is missing, so there is nothing to move"):
        run(tenant.slug, "--to", "shared")


def test_a_place_of_another_version_is_refused_and_nothing_is_lost(tenant):
    upload_and_index(tenant, DOCUMENTS)
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{tenant.schema_name}".retrieval_source ADD note text')
    with pytest.raises(Conflict, match="not of the same version"):
        move_tenant(tenant=tenant, to="shared")
    assert leftovers(tenant) == []


def test_a_suspended_tenant_may_be_moved(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(status=Tenant.Status.SUSPENDED)
    move_tenant(tenant=tenant, to="partition")
    tenant.refresh_from_db()
    assert (tenant.isolation, tenant.status) == ("partition", "suspended")


def test_the_api_begins_watches_and_cancels(api, tenant):
    assert api("get", tenant.slug).status_code == 404
    begun = api("post", tenant.slug, {"to": "shared"})
    assert begun.status_code == 202
    assert (begun.json()["status"], begun.json()["stage"]) == ("running", "waiting")
    again = api("post", tenant.slug, {"to": "partition"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "move_running")
    assert api("delete", tenant.slug).status_code == 204
    assert api("get", tenant.slug).json()["error"].startswith("Cancelled by fleet")
    assert api("delete", tenant.slug).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"to": "schema"}, 409, "already_there"),
        ({"to": "moon"}, 400, "invalid_request"),
        ({"where": "shared"}, 400, "invalid_request"),
    ],
)
def test_the_api_refuses_what_makes_no_sense(api, tenant, body, status, code):
    response = api("post", tenant.slug, body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_only_operators_move(api, tenant):
    key = create_api_key(tenant=tenant, name="own", scopes=["admin"])[1]
    client = Client(headers={"Authorization": f"Bearer {key}"})
    response = client.post(
        f"/api/v1/tenants/{tenant.slug}/move/", {"to": "shared"}, "application/json"
    )
    assert response.status_code == 403
    assert not TenantMove.objects.filter(tenant=tenant).exists()


def test_a_worker_does_a_waiting_move_once(tenant):
    upload_and_index(tenant, DOCUMENTS)
    before = contents(tenant)
    move = begin_move(tenant, "shared", "tester")
    run_move(move.pk)
    run_move(move.pk)
    move.refresh_from_db()
    tenant.refresh_from_db()
    assert (move.status, move.stage, tenant.isolation) == ("succeeded", "done", "shared")
    assert contents(tenant) == before


def test_beat_marks_a_dead_move_and_cleans_up(tenant):
    move = begin_move(tenant, "shared", "tester")
    TenantMove.objects.filter(pk=move.pk).update(stage="copying")
    tend_moves()
    move.refresh_from_db()
    assert (move.status, move.stage) == ("failed", "done")
    assert "stopped before it was done" in move.error


def test_the_page_counts_asks_and_shows_the_way(shared_cast):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    upload_and_index(tenant, DOCUMENTS)
    client = shared_cast.client("operator")
    page, url = (
        reverse("operator-tenant", args=[tenant.slug]),
        reverse("operator-tenant-move", args=[tenant.slug]),
    )
    assert "Move …" in client.get(page).content.decode()
    asked = client.get(url, {"to": "shared"})
    assert dict(asked.context["counts"])["Documents"] == len(DOCUMENTS)
    fragment = client.get(url, {"to": "shared"}, headers={"HX-Request": "true"}).content.decode()
    assert fragment.startswith("<dialog")
    begun = client.post(url, {"to": "shared"})
    assert begun["Location"] == page
    state = reverse("operator-tenant-move-state", args=[tenant.slug])
    assert "Waiting for a worker" in client.get(state).content.decode()
    run_move(TenantMove.objects.get(tenant=tenant).pk)
    ended = client.get(state, {"was": "running"}, headers={"HX-Request": "true"})
    assert ended["HX-Refresh"] == "true"
    assert "every one compared" in client.get(page).content.decode()


def test_the_page_cancels(shared_cast, tenant):
    client = shared_cast.client("operator")
    client.post(reverse("operator-tenant-move", args=[tenant.slug]), {"to": "shared"})
    client.post(reverse("operator-tenant-move-cancel", args=[tenant.slug]))
    move = TenantMove.objects.get(tenant=tenant)
    assert move.status == "failed"
    assert move.error == f"Cancelled by {shared_cast['operator'].email}."


@pytest.mark.parametrize("name", ["owner", "stranger"])
def test_the_pages_do_not_exist_for_others(shared_cast, name):
    client, slug = shared_cast.client(name), shared_cast.tenant.slug
    for part in ("move", "move-state"):
        url = reverse(f"operator-tenant-{part}", args=[slug])
        assert client.get(url).status_code == 404
    for part in ("move", "move-cancel"):
        url = reverse(f"operator-tenant-{part}", args=[slug])
        assert client.post(url, {"to": "shared"}).status_code == 404
    assert not TenantMove.objects.filter(tenant=shared_cast.tenant).exists()
