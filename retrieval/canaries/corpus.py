"""The canary tenants: two of each level, each with a secret word at each of two access levels.

All ask and answer the same, so that nothing but isolation keeps one's word from another's results.
Kept between runs while they are whole; what is damaged is made anew and never repaired in place, or
a fault would be gone before it was seen.
"""

from __future__ import annotations

import secrets
import string
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error
from django.utils import timezone

from ragadmin.errors import RagadminError, Unavailable
from retrieval.canaries.golden import make_golden
from retrieval.canaries.rated import rate_down
from retrieval.connectors.web_config import clean_web_config
from retrieval.events import AnswerDone, AnswerFailed
from retrieval.indexing import queue, run_paths
from retrieval.indexing.index import index_document
from retrieval.models import Conversation, Document, QueryTrace, Source, SyncError, SyncRun
from retrieval.providers import extractive
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest
from retrieval.selectors import searched_chunks
from retrieval.services.documents import delete_document, store_upload
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.models import Tenant
from tenants.services import create_tenant

if TYPE_CHECKING:
    import asyncio

ACCESS_LEVELS = ("public", "internal")
EMBEDDING_MODEL = "local:all-MiniLM-L6-v2"
FOLDER = "canary"
SOURCE_KIND = "web"
WORKER = "isolation check"
WAIT_SECONDS = 30
QUESTION = "What is the code word of the {level} canary record?"
QUESTION_TO_BOTH = "What are the code words of the public and the internal canary record?"
TEXT = "# Canary record\n\nThe code word of the {level} canary record is {word}.\n"


@dataclass(frozen=True, slots=True)
class CanaryDocument:
    word: str
    question: str
    document_id: str


@dataclass(frozen=True, slots=True)
class CanarySource:
    source_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Canary:
    """A tenant with a document and a source at each access level, and an answer that drew on both
    documents."""

    tenant: Tenant
    documents: dict[str, CanaryDocument]
    sources: dict[str, CanarySource]
    # Ids of its golden questions by level, and of a run over them as `evaluation`.
    golden: dict[str, str]
    trace_id: str
    conversation_id: str


def prepare_canaries(runner: asyncio.Runner) -> tuple[list[Canary], dict[str, str]]:
    """Those that can be used, and why the others cannot, by slug."""
    canaries: list[Canary] = []
    problems: dict[str, str] = {}
    for level in LEVELS:
        for number in (1, 2):
            slug = f"{Tenant.CANARY_PREFIX}{level}-{number}"
            try:
                canaries.append(_prepare(slug, level, runner))
            except (RagadminError, Error) as error:
                problems[slug] = str(error).strip().splitlines()[0]
    return canaries, problems


def _prepare(slug: str, level: str, runner: asyncio.Runner) -> Canary:
    tenant = _tenant(slug, level)
    documents = _find(tenant)
    if set(documents) != set(ACCESS_LEVELS):
        _renew(tenant)
        documents = _find(tenant)
    if set(documents) != set(ACCESS_LEVELS):
        raise Unavailable(f"The documents of {slug} were indexed and are not there.")
    with tenant_context(tenant):
        # Of the last run: they would only pile up.
        QueryTrace.objects.all().delete()
        Conversation.objects.all().delete()
        Source.objects.filter(kind=SOURCE_KIND).delete()
        sources = {level: _make_source(level, documents[level].word) for level in ACCESS_LEVELS}
        known = {level: (one.word, one.document_id) for level, one in documents.items()}
        golden = make_golden(tenant, known, QUESTION, WORKER)
    caller = Caller(
        tenant=tenant_config(tenant),
        access_levels=ACCESS_LEVELS,
        scopes=frozenset({"query"}),
        label=WORKER,
    )
    trace_id, conversation_id = runner.run(_ask(caller))
    with tenant_context(tenant):
        # No model was asked: as one would have been, with both words.
        QueryTrace.objects.filter(pk=trace_id).update(prompt=_prompt(documents))
        secret = documents[ACCESS_LEVELS[-1]]
        rate_down(tenant, trace_id, secret.word, secret.document_id, ACCESS_LEVELS[-1])
    return Canary(tenant, documents, sources, golden, trace_id, conversation_id)


def _tenant(slug: str, level: str) -> Tenant:
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        return create_tenant(
            slug=slug,
            name=f"Canary {slug.removeprefix(Tenant.CANARY_PREFIX)}",
            isolation=level,
            embedding_model=EMBEDDING_MODEL,
            is_own=True,
        )
    if tenant.isolation != level:
        raise Unavailable(f"{slug} is at {tenant.isolation} now: move it back to {level}.")
    if tenant.status != Tenant.Status.ACTIVE:
        raise Unavailable(f"{slug} is suspended: resume it, or delete it to have it made anew.")
    return tenant


def _find(tenant: Tenant) -> dict[str, CanaryDocument]:
    """By access level. The word is in the path and in the text."""
    found: dict[str, CanaryDocument] = {}
    with tenant_context(tenant):
        ready = Document.objects.filter(
            path__startswith=f"{FOLDER}/", status=Document.Status.READY
        ).defer("markdown")
        for document in ready:
            word, level = PurePosixPath(document.path).stem, document.access_level
            chunks = searched_chunks().filter(document=document, text__contains=word)
            if chunks.exists() and default_storage.exists(document.storage_key):
                found[level] = CanaryDocument(word, QUESTION.format(level=level), str(document.pk))
    return found


def _renew(tenant: Tenant) -> None:
    with tenant_context(tenant):
        old = list(Document.objects.values_list("pk", flat=True))
    for document_id in old:
        delete_document(tenant=tenant, document_id=document_id)
    for level in ACCESS_LEVELS:
        word = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
        upload = store_upload(
            tenant=tenant,
            file=ContentFile(TEXT.format(level=level, word=word).encode()),
            path=f"{FOLDER}/{word}.md",
            access_level=level,
            uploaded_by=WORKER,
        )
        _index(tenant, upload.document)


def _index(tenant: Tenant, document: Document) -> None:
    """Here, unless a worker is quicker. Raises Unavailable."""
    claim = queue.claim_document(tenant, document.pk, WORKER)
    if claim is not None:
        index_document(claim)
    end, said = time.monotonic() + WAIT_SECONDS, "no worker took it"
    while time.monotonic() < end:
        with tenant_context(tenant):
            state = Document.objects.defer("markdown").get(pk=document.pk)
        if state.status == Document.Status.READY:
            return
        said = state.error_message or said
        if state.status == Document.Status.FAILED:
            break
        time.sleep(0.2)
    raise Unavailable(f"A document of {tenant.slug} was not indexed: {said}")


def _make_source(level: str, word: str) -> CanarySource:
    """With a run that is over, and the word in all that is shown of them. It has no schedule, and its
    address leads nowhere."""
    source = Source.objects.create(
        name=f"Canary {word}",
        kind=SOURCE_KIND,
        config=clean_web_config({"url": f"https://{word}.invalid/"}),
        access_level=level,
        created_by=WORKER,
    )
    path = f"{FOLDER}/{word}.md"
    run = SyncRun.objects.create(
        source=source,
        status=SyncRun.Status.PARTIAL,
        trigger=SyncRun.Trigger.COMMAND,
        started_by=WORKER,
        added=1,
        failed=1,
        paths=run_paths.pack({"added": [run_paths.entry(path)]}),
        started_at=timezone.now(),
        finished_at=timezone.now(),
    )
    SyncError.objects.create(
        sync_run=run, external_id=path, path=path, code="corrupt", message=f"{word} is damaged."
    )
    return CanarySource(str(source.pk), str(run.pk))


def _prompt(documents: dict[str, CanaryDocument]) -> list[dict[str, str]]:
    passages = (TEXT.format(level=level, word=one.word) for level, one in documents.items())
    return [{"role": "user", "content": "\n".join(passages)}]


async def _ask(caller: Caller) -> tuple[str, str]:
    """An answer that draws on both documents, in a conversation. Returns the ids of the two."""
    request = AnswerRequest(
        question=QUESTION_TO_BOTH, model=extractive.MODEL, starts_conversation=True
    )
    async with aclosing(answer(caller, request)) as events:
        async for event in events:
            if isinstance(event, AnswerDone):
                return event.answer["id"], event.answer["conversation_id"]
            if isinstance(event, AnswerFailed):
                raise event.error
    raise Unavailable("The question to the canary has no answer.")
