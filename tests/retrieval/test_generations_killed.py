"""A worker is killed in the middle of a change of the model, while questions go on over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from django.db.models.functions import Now

from ragadmin.installation import PROJECT_DIR
from retrieval import tasks
from retrieval.models import Document
from retrieval.services.reindex import start_reindex
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.models import DocumentJob, Tenant
from tests.retrieval.documents import upload
from tests.retrieval.reindexing import check_consistent, fresh, generations_of, index_all
from tests.stack import Stack

DOCUMENTS = 40
MODEL = "openai:mock-embedding-150-768"


@pytest.fixture
def stack(services, django_db_setup, settings):
    with Stack(services, model="mock-0-20-0").running(worker=False) as running:
        settings.OPENAI_BASE_URL = running.model_url
        yield running


@contextmanager
def worker(stack):
    with (stack.folder / "worker-generations.log").open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "celery", "-A", "ragadmin.celery", "worker",
                "--pool", "threads", "--concurrency", "2", "-n", "generations@here",
            ],
            env=os.environ | stack.env, cwd=PROJECT_DIR, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


class Asking:
    """Asks one question after another, each about a document of its own, and notes what was wrong."""

    def __init__(self, url: str, key: str) -> None:
        self.asked, self.wrong = 0, []
        self._url, self._headers = f"{url}/api/v1/search/", {"Authorization": f"Bearer {key}"}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(headers=self._headers, timeout=30) as client:
            while not self._end.is_set():
                self._ask(client, self.asked % DOCUMENTS)
                self.asked += 1
                time.sleep(0.05)  # leaves the worker some of the machine

    def _ask(self, client: httpx.Client, number: int) -> None:
        response = client.post(self._url, json={"question": f"What is kettle{number} made of?"})
        if response.status_code != 200:
            self.wrong.append(response.text)
            return
        paths = [hit["path"] for hit in response.json()["hits"]]
        if f"{number}.md" not in paths:
            self.wrong.append(f"{number}: {paths}")


def wait_for(condition, seconds: float = 120) -> None:
    """Hints as beat does: one that a worker gets late has expired."""
    end, hinted = time.monotonic() + seconds, 0.0
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        if time.monotonic() - hinted > 2:
            tasks.dispatch_documents()
            hinted = time.monotonic()
        time.sleep(0.02)


def done(tenant) -> int:
    with tenant_context(tenant):
        return Document.objects.filter(indexed_generation=2).count()


@pytest.mark.timeout(400)
def test_killed_worker_and_changed_model_are_not_noticed_by_those_who_ask(tenant, stack):
    DocumentJob.objects.all().delete()
    for number in range(DOCUMENTS):
        text = f"# Kettle {number}\n\nThe vessel kettle{number} is made of copper."
        upload(tenant, path=f"{number}.md", content=text.encode())
    index_all()
    _, key = create_api_key(tenant=tenant, name="asking", scopes=["query"])
    with Asking(stack.url, key) as asking:
        start_reindex(tenant=fresh(tenant), actor="someone", embedding_model=MODEL)
        with worker(stack) as process:
            wait_for(lambda: 0 < done(tenant) < DOCUMENTS - 4)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert fresh(tenant).generation == 1
        time.sleep(1)
        with worker(stack):
            wait_for(lambda: fresh(tenant).generation == 2)
            time.sleep(2.5)
        Tenant.objects.filter(pk=tenant.pk).update(stale_chunks_at=Now() - timedelta(seconds=1))
        tasks.tend_generations()
        time.sleep(1)
    assert asking.wrong == []
    assert asking.asked > 50
    assert generations_of(tenant) == {2}
    assert fresh(tenant).embedding_model == MODEL
    check_consistent(tenant)
