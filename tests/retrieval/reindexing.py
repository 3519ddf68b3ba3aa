"""What tests of re-indexing share."""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
from contextlib import contextmanager

from django.conf import settings

from ragadmin.embedded.ports import free_port
from ragadmin.embedded.process import Service
from ragadmin.installation import PROJECT_DIR
from retrieval.indexing import index, old_chunks, queue, reindex
from retrieval.models import Chunk, Document, TermFrequency
from retrieval.providers.embedders import close_embedders
from retrieval.query.embed import embed_question
from retrieval.query.request import SearchRequest
from retrieval.query.retrieve import find
from retrieval.terms import TOTAL_TERM
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.models import DocumentJob, Tenant
from tenants.pool import close_pool

LOCAL = "local:all-MiniLM-L6-v2"
NUMBERS = itertools.count(65)


def other_model(*, delay_ms=0, refusing=False) -> str:
    """A model of the stub that no embedder of this process knows yet: each has its own dimension."""
    return f"openai:mock-embedding-{delay_ms}-{next(NUMBERS)}" + ("-refusing" if refusing else "")


@contextmanager
def stub_model(folder):
    """Where OPENAI_BASE_URL points meanwhile."""
    port = free_port()
    service = Service(
        name="mock-model",
        argv=[sys.executable, "manage.py", "mock_model", "--port", str(port)],
        is_ready=lambda: _listens(port),
        cwd=PROJECT_DIR,
        log_path=folder / f"mock-model-{port}.log",
    )
    process = service.start()
    before, settings.OPENAI_BASE_URL = settings.OPENAI_BASE_URL, f"http://127.0.0.1:{port}/v1"
    try:
        service.wait_until_ready(process)
        yield
    finally:
        settings.OPENAI_BASE_URL = before
        service.stop(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def index_one_batch() -> bool:
    """As a worker does it. False when nothing waits."""
    return _follow_up(index.index_next_batch("test"))


def index_one_document(tenant) -> bool:
    """The next of the tenant's, alone: how many a batch takes depends on how quick the machine is."""
    waiting = DocumentJob.objects.filter(tenant=tenant).order_by("priority", "available_at", "id")
    job = waiting.first()
    claim = job and queue.claim_document(fresh(tenant), job.document_id, "test")
    return _follow_up(index.index_document(claim) if claim else None)


def _follow_up(indexed: index.Indexed | None) -> bool:
    if indexed is None:
        return False
    if indexed.tenant.next_generation is not None:
        reindex.switch_if_complete(indexed.tenant)
    return True


def index_all() -> None:
    while index_one_batch():
        pass


def fresh(tenant) -> Tenant:
    return Tenant.objects.get(pk=tenant.pk)


def caller_of(tenant) -> Caller:
    config = tenant_config(fresh(tenant))
    return Caller(config, ("public", "internal"), frozenset({"query"}), "test", user_id=1)


def found_paths(caller, question) -> list[str]:
    return asyncio.run(_found_paths(caller, question))


async def _found_paths(caller, question) -> list[str]:
    try:
        vector = await embed_question(caller, question)
        return [hit.path for hit in await find(caller, SearchRequest(question), vector)]
    finally:
        await close_embedders()
        await close_pool()


def jobs(tenant) -> int:
    return DocumentJob.objects.filter(tenant=tenant).count()


def generations_of(tenant) -> set[int]:
    with tenant_context(tenant):
        return set(Chunk.objects.values_list("generation", flat=True))


def check_consistent(tenant) -> None:
    """Every document with text has its chunks in use, and counts are of these and no others."""
    row = fresh(tenant)
    old_chunks.count_anew(row)
    with tenant_context(row):
        chunks = Chunk.objects.filter(generation=row.generation)
        dimensions = {len(chunk.embedding) for chunk in chunks}
        assert dimensions <= {row.embedding_dimension}
        total = TermFrequency.objects.filter(term=TOTAL_TERM, generation=row.generation)
        assert sum(total.values_list("chunks", flat=True)) == chunks.count()
        for document in Document.objects.all():
            ordinals = chunks.filter(document=document).order_by("ordinal")
            count = ordinals.count()
            assert list(ordinals.values_list("ordinal", flat=True)) == list(range(count))
            assert document.chunk_count == count, document.path
            assert bool(count) == bool(document.indexed_hash), document.path
