"""Redis keys, files, tasks and log lines carry the tenant."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

import pytest
import redis
from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from retrieval.canaries.calls import call_hot
from retrieval.canaries.store_doors import OF_A_TENANT, OF_THE_INSTALLATION
from retrieval.indexing import queue
from retrieval.models import Chunk, Document, QueryTrace
from retrieval.tasks import index_next, mark_interrupted
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.models import DocumentJob
from tenants.pool import close_pool
from tenants.services import create_tenant
from tests.retrieval.documents import index_all, upload
from tests.retrieval.pages import make_trace, sign_in


@pytest.fixture(params=["schema", "partition", "shared"])
def pair(request):
    """Two tenants of one level."""
    slugs = [f"t-{uuid.uuid4().hex[:10]}" for _ in range(2)]
    return tuple(create_tenant(slug=slug, isolation=request.param) for slug in slugs)


def test_a_job_of_one_tenant_with_a_document_of_another_touches_neither(pair):
    one, other = pair
    document = upload(other)
    DocumentJob.objects.all().delete()
    queue.enqueue(one, document.pk)
    index_next.apply()  # pyright: ignore[reportFunctionMemberAccess]
    assert not DocumentJob.objects.filter(tenant=one).exists()
    with tenant_context(other):
        assert Document.objects.get(pk=document.pk).status == "queued"
        assert Chunk.objects.count() == 0
    with tenant_context(one):
        assert Document.objects.count() == Chunk.objects.count() == 0


def test_a_task_over_all_tenants_changes_each_ones_own_rows_only(pair):
    one, other = pair
    running = make_trace(one, status="running")
    fresh = make_trace(other, status="running")
    with tenant_context(one):
        QueryTrace.objects.update(created_at=timezone.now() - timedelta(hours=1))
    mark_interrupted.apply()  # pyright: ignore[reportFunctionMemberAccess]
    with tenant_context(one):
        running.refresh_from_db()
    with tenant_context(other):
        fresh.refresh_from_db()
    assert (running.status, fresh.status) == ("failed", "running")


def test_files_are_below_the_id_of_their_tenant(pair):
    for tenant in pair:
        document = upload(tenant)
        assert document.storage_key.startswith(f"tenants/{tenant.pk}/")
        assert default_storage.exists(document.storage_key)


def test_every_redis_key_after_uploads_and_indexing_is_known(pair, services):
    for tenant in pair:
        upload(tenant)
        index_all(tenant)
    with redis.Redis.from_url(services["redis"]) as client:
        keys = [key.decode() for key in client.scan_iter()]
    unknown = [k for k in keys if not (OF_A_TENANT.match(k) or OF_THE_INSTALLATION.fullmatch(k))]
    assert not unknown


def test_lines_of_indexing_carry_the_tenant(tenant, caplog):
    upload(tenant)
    upload(tenant, path="empty.txt", content=b" \n ")
    with caplog.at_level(logging.INFO, logger="retrieval.indexing"):
        index_all(tenant)
    lines = [r.msg for r in caplog.records if r.name.startswith("retrieval.indexing.")]
    assert {"documents indexed", "document failed"} <= {line["event"] for line in lines}
    assert {line.get("tenant") for line in lines} == {tenant.slug}


@pytest.mark.parametrize("path", ["documents/", "members/", "answers/"])
def test_the_line_of_an_api_request_carries_the_tenant(tenant, caplog, path):
    _, key = create_api_key(tenant=tenant, name="test", scopes=("query", "ingest", "admin"))
    with caplog.at_level(logging.INFO, logger="ragadmin.request"):
        Client().get(f"/api/v1/{path}", headers={"authorization": f"Bearer {key}"})
    (line,) = events(caplog, "ragadmin.request")
    assert (line["status"], line.get("tenant")) == (200, tenant.slug)


def test_the_line_of_a_page_carries_the_tenant(tenant, caplog):
    client = sign_in(tenant)
    with caplog.at_level(logging.INFO, logger="ragadmin.request"):
        client.get(f"/t/{tenant.slug}/documents/")
        client.get("/")
    of_tenant, of_none = events(caplog, "ragadmin.request")
    assert of_tenant.get("tenant") == tenant.slug
    assert "tenant" not in of_none


async def test_the_line_of_a_hot_request_carries_the_tenant(tenant, caplog):
    _, key = await sync_to_async(create_api_key)(tenant=tenant, name="test", scopes=("query",))
    with caplog.at_level(logging.INFO, logger="ragadmin.query"):
        reply = await call_hot(
            "/api/v1/search/", {"question": "What whistles?"}, {"authorization": f"Bearer {key}"}
        )
    await close_pool()
    (line,) = events(caplog, "ragadmin.query")
    assert (reply.status, line.get("tenant")) == (200, tenant.slug)


def events(caplog, logger):
    return [record.msg for record in caplog.records if record.name == logger]
