"""What tests of the API of sources and runs share: a folder that may be synced, and the worker's part."""

from __future__ import annotations

from uuid import UUID

from django.test import Client

from retrieval.indexing.sync import run_next_sync
from retrieval.models import SyncRun
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tests.retrieval.documents import index_all

SOURCES, RUNS = "/api/v1/sources/", "/api/v1/sync-runs/"
KEYS_OF_RUN = {
    "id", "status", "trigger", "added", "updated", "deleted", "unchanged", "failed",
    "embedded_chunks", "reused_chunks", "started_at", "finished_at", "errors",
}  # fmt: skip


class Caller:
    """Speaks JSON with a key of its own."""

    def __init__(self, tenant, *scopes, levels=("public", "internal")) -> None:
        scopes = scopes or ("ingest", "admin")
        key = create_api_key(tenant=tenant, name="test", scopes=scopes, access_levels=levels)[1]
        headers = {"Authorization": f"Bearer {key}"}
        self.client = Client(headers=headers, raise_request_exception=False)
        self.tenant = tenant

    def get(self, path, **query):
        return self.client.get(path, query)

    def post(self, path, body=None):
        return self.client.post(path, body or {}, content_type="application/json")

    def patch(self, path, body):
        return self.client.patch(path, body, content_type="application/json")

    def delete(self, path):
        return self.client.delete(path)

    def make_source(self, folder, **values):
        body = folder_source(folder) | values
        made = self.post(SOURCES, body)
        assert made.status_code == 201, made.content
        return made.json()

    def sync(self, source, **wanted):
        """A run from its request to its end, or to the question it asks."""
        started = self.post(f"{SOURCES}{source['id']}/sync/", wanted)
        assert started.status_code == 202, started.content
        return self.finish(started.json()["sync_run"])

    def finish(self, run_id):
        work(self.tenant, run_id)
        return self.get(f"{RUNS}{run_id}/").json()

    def paths(self, run, kind):
        answer = self.get(f"{RUNS}{run['id']}/paths/", kind=kind)
        assert answer.status_code == 200, answer.content
        return answer.json()["results"]


def folder_source(folder):
    return {
        "name": f"Folder {folder.name}",
        "kind": "folder",
        "config": {"url": str(folder)},
        "access_level": "internal",
    }


def work(tenant, run_id) -> None:
    """As workers do, until the run is over or waits for somebody."""
    for _ in range(10):
        run_next_sync("test", tenant, UUID(run_id))
        index_all(tenant)
        with tenant_context(tenant):
            status = SyncRun.objects.get(pk=run_id).status
        if status not in (SyncRun.Status.QUEUED, SyncRun.Status.RUNNING):
            return
    raise AssertionError(f"The run is {status} still.")


def error_of(response, status):
    assert response.status_code == status, response.content
    return response.json()["error"]
