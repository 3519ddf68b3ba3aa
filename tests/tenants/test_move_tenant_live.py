"""Nobody notices a move: questions are answered, documents come, change and go all the time."""

from __future__ import annotations

import asyncio
import io
import threading
import time
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from retrieval.events import AnswerDone
from retrieval.indexing.index import index_next_batch
from retrieval.models import Chunk, Document, QueryTrace, TermFrequency
from retrieval.query.answer import answer
from retrieval.query.clients import close_clients
from retrieval.query.embed import embed_question
from retrieval.query.request import AnswerRequest, SearchRequest
from retrieval.query.retrieve import find
from retrieval.services.documents import delete_document, store_upload
from retrieval.terms import TOTAL_TERM
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.moving.request import move_tenant
from tenants.pool import close_pool
from tenants.services import create_tenant
from tests.documents import DOCUMENTS, upload_and_index
from tests.tenants.moving import leftovers

QUESTION = "How do I reset my password?"
WORDS = ("kettles", "harbours", "violins", "glaciers", "bicycles")


@pytest.fixture
async def loop_resources():
    """Closes what the hot path keeps for each event loop."""
    yield
    await close_clients()
    await close_pool()


@sync_to_async
def new_tenant(level):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level)
    upload_and_index(tenant, DOCUMENTS)
    tenant.refresh_from_db()
    caller = Caller(
        tenant=tenant_config(tenant),
        access_levels=("public", "internal"),
        scopes=frozenset({"query"}),
        label="tester",
        user_id=1,
    )
    return tenant, caller


class Syncing(threading.Thread):
    """Uploads, changes and deletes documents until it is told to stop. Knows what must be there."""

    def __init__(self, tenant) -> None:
        super().__init__()
        self.tenant = tenant
        self.stopping = threading.Event()
        self.expected: dict[str, str] = {}
        self.failures: list[Exception] = []

    def run(self) -> None:
        number = 0
        try:
            while not self.stopping.is_set():
                number += 1
                self._do(number)
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.failures.append(error)
        finally:
            connections.close_all()

    def _do(self, number: int) -> None:
        path = f"sync/{number % 7}.md"
        if number % 5 == 0 and path in self.expected:
            with tenant_context(self.tenant):
                document = Document.objects.get(path=path)
            delete_document(tenant=self.tenant, document_id=document.pk)
            del self.expected[path]
            return
        text = f"# Note {number}\n\nAbout {WORDS[number % 5]}, as of {number}.\n"
        store_upload(
            tenant=self.tenant,
            file=io.BytesIO(text.encode()),
            path=path,
            access_level="public",
            uploaded_by="sync",
        )
        self.expected[path] = f"About {WORDS[number % 5]}, as of {number}."
        while index_next_batch("test"):
            pass


async def keep_asking(caller, stop: asyncio.Event, answers: list[str], slowest: list[float]):
    while not stop.is_set():
        started = time.monotonic()
        events = [event async for event in answer(caller, AnswerRequest(QUESTION))]
        slowest[0] = max(slowest[0], time.monotonic() - started)
        assert isinstance(events[-1], AnswerDone), events[-1]
        assert "reset from the sign-in page" in events[-1].answer["answer"]
        answers.append(events[-1].answer["id"])


@sync_to_async
def move_through(tenant, levels) -> list[float]:
    try:
        return [move_tenant(tenant=tenant, to=level).held_ms for level in levels]
    finally:
        connections.close_all()


@sync_to_async
def check_documents(tenant, expected, answers):
    with tenant_context(tenant):
        stored = Document.objects.filter(path__startswith="sync/")
        assert set(stored.values_list("path", flat=True)) == set(expected)
        for path, text in expected.items():
            chunks = list(Chunk.objects.filter(document__path=path))
            assert len(chunks) == 1, path
            assert text in chunks[0].text
        assert TermFrequency.objects.get(term=TOTAL_TERM).chunks == Chunk.objects.count()
        traces = QueryTrace.objects.filter(pk__in=answers, status="succeeded")
        assert traces.count() == len(answers)


async def search_paths(caller, question):
    hits = await find(caller, SearchRequest(question), await embed_question(caller, question))
    return [(hit.path, hit.chunk_id, round(hit.similarity or 0, 4)) for hit in hits]


@pytest.mark.parametrize(
    ("here", "route"),
    [
        ("schema", ("partition", "shared", "schema")),
        ("shared", ("partition", "schema", "shared")),
    ],
)
async def test_no_question_fails_while_the_tenant_moves_and_syncs(loop_resources, here, route):
    tenant, caller = await new_tenant(here)
    syncing = Syncing(tenant)
    answers, slowest, stop = [], [0.0], asyncio.Event()
    syncing.start()
    asking = [asyncio.create_task(keep_asking(caller, stop, answers, slowest)) for _ in range(3)]
    try:
        held = await move_through(tenant, route)
    finally:
        stop.set()
        syncing.stopping.set()
        await asyncio.gather(*asking)
        await sync_to_async(syncing.join)()
    assert syncing.failures == []
    assert len(answers) > 10
    assert max(held) < 2_000
    assert slowest[0] < 10
    await sync_to_async(tenant.refresh_from_db)()
    assert tenant.isolation == route[-1]
    await check_documents(tenant, syncing.expected, answers)
    assert await sync_to_async(leftovers)(tenant) == []


async def test_search_finds_the_same_before_and_after(loop_resources):
    tenant, caller = await new_tenant("schema")
    before = await search_paths(caller, QUESTION)
    assert before
    for level in ("shared", "partition", "schema"):
        await move_through(tenant, [level])
        assert await search_paths(caller, QUESTION) == before


async def test_new_chunks_get_numbers_that_were_never_used(loop_resources):
    tenant, caller = await new_tenant("schema")
    used = {chunk for _, chunk, _ in await search_paths(caller, QUESTION)}
    await move_through(tenant, ["shared", "schema"])
    more = {"guide/more.md": ("public", "# Passwords\n\nA password has at least ten characters.\n")}
    await sync_to_async(upload_and_index)(tenant, more)
    found = {chunk for _, chunk, _ in await search_paths(caller, "How long is a password?")}
    assert max(found) > max(used)
    assert found - used
