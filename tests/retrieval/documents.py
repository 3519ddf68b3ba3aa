"""What tests of documents share."""

from __future__ import annotations

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage

from retrieval.indexing import queue
from retrieval.indexing.index import index_batch
from retrieval.models import Document
from retrieval.services.documents import Upload, store_upload
from tenants.context import tenant_context
from tenants.models import DocumentJob

GUIDE = b"# Boiling water\n\nFill the kettle, close its lid and wait until it whistles."


class RemoteStorage(Storage):
    """Keeps files where no path leads."""

    def __init__(self) -> None:
        self._files = InMemoryStorage()

    def _open(self, name, mode="rb"):
        return self._files.open(name, mode)

    def _save(self, name, content):
        return self._files.save(name, content)

    def delete(self, name):
        self._files.delete(name)

    def exists(self, name):
        return self._files.exists(name)


def upload(tenant, *, path="guide.md", **values) -> Document:
    return send(tenant, path=path, **values).document


def send(
    tenant, *, path, content=GUIDE, access_level="public", allowed_levels=None, source_id=None
) -> Upload:
    return store_upload(
        tenant=tenant,
        file=ContentFile(content),
        path=path,
        access_level=access_level,
        uploaded_by="someone",
        allowed_levels=allowed_levels,
        source_id=source_id,
    )


def claim(tenant, worker="worker") -> queue.Claim:
    found = claim_or_none(tenant, worker)
    assert found is not None
    return found


def claim_or_none(tenant, worker="worker") -> queue.Claim | None:
    """The tenant's next document. What other tests left is thrown away."""
    first, *others = claim_batch(tenant, worker) or [None]
    queue.give_back(others)
    return first


def claim_batch(tenant, worker="worker") -> list[queue.Claim]:
    while found := queue.claim_batch(worker):
        if found[0].tenant == tenant:
            return found
        DocumentJob.objects.filter(pk__in=[each.job_id for each in found]).delete()
    return []


def index_all(tenant) -> None:
    while found := claim_batch(tenant):
        index_batch(found)


def read(tenant, document) -> Document:
    with tenant_context(tenant):
        return Document.objects.get(pk=document.pk)
