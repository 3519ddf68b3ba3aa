"""A schema dropped behind our back: its tenant is told clearly, and nobody else notices."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test import Client

from ragadmin.errors import SchemaMissing
from ragadmin.first_start import prepare_installation
from ragadmin.health import run_checks, run_readiness_checks
from retrieval.indexing import index, queue
from retrieval.models import Document, QueryTrace
from retrieval.tasks import mark_interrupted
from tenants.access import tenant_config
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.models import DocumentJob, Tenant
from tenants.pool import close_pool, open_pool, tenant_transaction
from tenants.schema import owner
from tests.tenants.new_migration import new_tenants


@pytest.fixture
def dropped(cast):
    """A cast whose tenant has lost its schema; the tenant itself goes at the end."""
    schema = cast.tenant.schema_name
    with owner().cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')
    yield cast
    with owner().cursor() as cursor:
        cursor.execute("DELETE FROM tenants_schemaversion WHERE schema_name = %s", [schema])
    Tenant.objects.filter(pk=cast.tenant.pk).delete()


@pytest.mark.parametrize("page", ["", "documents/", "traces/"])
def test_the_tenants_pages_say_what_is_wrong(dropped, page):
    response = dropped.client("owner").get(f"/t/{dropped.tenant.slug}/{page}")
    assert response.status_code == 503
    assert "schema_missing" in response.content.decode()
    assert "See the fleet" not in response.content.decode()


def test_an_operator_is_sent_to_the_fleet(dropped):
    response = dropped.client("operator").get(f"/t/{dropped.tenant.slug}/documents/")
    assert "See the fleet" in response.content.decode()


def test_the_api_has_a_code_for_it(dropped):
    _, key = create_api_key(tenant=dropped.tenant, name="test", scopes=["admin"])
    response = Client().get("/api/v1/documents/", headers={"Authorization": f"Bearer {key}"})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "schema_missing"
    assert response.json()["error"]["extra"] == {"tenant": dropped.tenant.slug}


def test_the_neighbour_is_unaffected(dropped):
    path = f"/t/{dropped.neighbour_tenant.slug}/documents/"
    assert dropped.client("neighbour").get(path).status_code == 200


@pytest.fixture
def configs(dropped):
    return tenant_config(dropped.tenant), tenant_config(dropped.neighbour_tenant)


async def test_a_search_says_the_same(configs):
    lost, neighbour = configs
    await open_pool()
    try:
        with pytest.raises(SchemaMissing):
            async with tenant_transaction(lost) as connection:
                await connection.execute("SELECT id FROM retrieval_chunk")
        async with tenant_transaction(neighbour) as connection:
            await connection.execute("SELECT id FROM retrieval_chunk")
    finally:
        await close_pool()


def test_it_makes_one_line_of_the_services_red_and_the_installation_stays_ready(dropped):
    assert all(check.ok for check in run_readiness_checks())
    (red,) = [check for check in run_checks() if check.name == "tenant schemas"]
    assert not red.ok
    assert dropped.tenant.schema_name in red.detail


def test_the_fleet_shows_it_red(dropped):
    page = dropped.client("operator").get("/operator/fleet/", {"q": dropped.tenant.slug})
    assert '<span class="badge badge-bad">Missing</span>' in page.content.decode()


def test_the_installation_starts_and_says_so(dropped):
    told: list[str] = []
    prepare_installation(with_demo=False, tell=told.append)
    (line,) = [line for line in told if dropped.tenant.schema_name in line]
    assert "not in the database" in line


def test_a_table_that_no_tenant_has_is_still_a_fault_of_the_code(tenant):
    with (
        pytest.raises(Exception, match="no_such_table"),
        tenant_context(tenant),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT * FROM no_such_table")


def test_its_documents_wait_and_the_other_tenants_are_indexed(dropped):
    queue.enqueue(dropped.tenant, uuid.uuid4())
    claims = queue.claim_batch("worker")
    while claims and claims[0].tenant.pk != dropped.tenant.pk:
        claims = queue.claim_batch("worker")
    index.index_batch(claims)
    job = DocumentJob.objects.get(tenant=dropped.tenant)
    assert job.lease_until is None


def test_interrupted_answers_of_the_others_are_still_marked(dropped):
    (later,) = new_tenants(1)
    with tenant_context(later):
        trace = QueryTrace.objects.create(question="Why?", access_levels=["public"])
        with connection.cursor() as cursor:
            cursor.execute("UPDATE retrieval_querytrace SET created_at = now() - interval '1 day'")
    mark_interrupted()
    with tenant_context(later):
        assert QueryTrace.objects.get(pk=trace.pk).status == "failed"
        assert Document.objects.count() == 0
