"""What tests of the API of sources and runs share. Runs are worked off here."""

from __future__ import annotations

from uuid import UUID

from django.test import Client

from retrieval.services.foreground import finish_here
from tenants.keys import create_api_key

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
        finish_here(self.tenant, UUID(run_id))
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


def error_of(response, status):
    assert response.status_code == status, response.content
    return response.json()["error"]
