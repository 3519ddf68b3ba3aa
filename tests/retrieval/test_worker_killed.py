"""A worker that dies in the middle loses nothing and doubles nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from pydoc_data.topics import topics

import pytest
from django.conf import settings
from django.db.models.functions import Now

from ragadmin.installation import PROJECT_DIR
from retrieval import tasks
from retrieval.models import Chunk, Document, QueryTrace, TermFrequency
from retrieval.terms import TOTAL_TERM, term_counts
from tenants.context import tenant_context
from tenants.models import DocumentJob
from tenants.services import create_tenant
from tests.retrieval.documents import index_all, read, upload

DOCUMENTS = 25


def environment(services) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": services["database"],
        "REDIS_URL": services["redis"],
        "RAGADMIN_DATA_DIR": str(services["folder"]),
        "RAGADMIN_SECRET_KEY": settings.SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": "ragadmin.settings.dev",
    }


@contextmanager
def worker(services):
    with (services["folder"] / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "celery", "-A", "ragadmin.celery", "worker",
                "--pool", "threads", "--concurrency", "2", "-n", "tests@here",
            ],
            env=environment(services), cwd=PROJECT_DIR, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(condition, seconds: float = 90, *, beat: bool = True) -> None:
    """With `beat`, hints as beat does: one that a worker gets late has expired."""
    end, hinted = time.monotonic() + seconds, 0.0
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        if beat and time.monotonic() - hinted > 2:
            tasks.dispatch_documents()
            hinted = time.monotonic()
        time.sleep(0.05)


def count_ready(tenant) -> int:
    with tenant_context(tenant):
        return Document.objects.filter(status="ready").count()


def chunks(tenant) -> Counter:
    with tenant_context(tenant):
        return Counter(
            Chunk.objects.values_list("document__path", "ordinal", "text", "content_hash")
        )


def upload_all(tenant) -> None:
    for name in sorted(name for name, text in topics.items() if 800 < len(text) < 3000)[:DOCUMENTS]:
        upload(tenant, path=f"{name}.txt", content=topics[name].encode())


@pytest.fixture
def undisturbed():
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    upload_all(tenant)
    index_all(tenant)
    return tenant


def test_killed_worker_loses_nothing_and_doubles_nothing(services, tenant, undisturbed):
    DocumentJob.objects.all().delete()
    upload_all(tenant)
    with worker(services) as process:
        wait_for(lambda: count_ready(tenant) >= 3)
        wait_for(lambda: DocumentJob.objects.filter(lease_until__gt=Now()).exists())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert count_ready(tenant) < DOCUMENTS
    with worker(services):
        wait_for(lambda: count_ready(tenant) == DOCUMENTS, seconds=50)
    assert chunks(tenant) == chunks(undisturbed)
    assert not DocumentJob.objects.exists()
    with tenant_context(tenant):
        found = dict(TermFrequency.objects.values_list("term", "chunks"))
        embedded = [f"{c.heading_path}\n{c.text}".lstrip() for c in Chunk.objects.all()]
    expected = Counter(term for text in embedded for term in term_counts(text))
    assert found == dict(expected) | {TOTAL_TERM: len(embedded)}


def test_worker_finds_what_lost_its_hint_takes_an_upload_at_once_and_stops_when_asked(
    services, tenant
):
    document = upload(tenant)
    tasks.app.control.purge()
    with worker(services) as process:
        wait_for(lambda: read(tenant, document).status == "ready")
        start = time.monotonic()
        document = upload(tenant, path="second.md", content=b"Another text about kettles.")
        wait_for(lambda: read(tenant, document).status == "ready", beat=False)
        assert time.monotonic() - start < 5
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_upload_stands_while_redis_is_down(services, tenant):
    code = (
        "import django; django.setup()\n"
        "from django.core.files.base import ContentFile\n"
        "from retrieval.services.documents import store_upload\n"
        "from tenants.models import Tenant\n"
        f"tenant = Tenant.objects.get(pk={tenant.pk})\n"
        "store_upload(tenant=tenant, file=ContentFile(b'Text'), path='a.md',"
        " access_level='public', uploaded_by='me')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(services) | {"REDIS_URL": "redis://127.0.0.1:1/0"},
        cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no hint given" in done.stderr
    with tenant_context(tenant):
        assert Document.objects.get().status == "queued"
    assert DocumentJob.objects.filter(tenant=tenant).exists()


def test_interrupted_answer_does_not_run_for_ever(tenant):
    with tenant_context(tenant):
        old = QueryTrace.objects.create(question="Why?", access_levels=["public"])
        new = QueryTrace.objects.create(question="How?", access_levels=["public"])
        QueryTrace.objects.filter(pk=old.pk).update(created_at=Now() - tasks.LONGEST_ANSWER)
    tasks.mark_interrupted()
    with tenant_context(tenant):
        old.refresh_from_db()
        new.refresh_from_db()
    assert (old.status, old.error_code) == ("failed", "interrupted")
    assert new.status == "running"
