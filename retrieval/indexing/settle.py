"""What became of documents that were indexed, put into their rows.

One transaction for all that went well. Rows are locked in the order of queue.py.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection
from django.db.models import F

from retrieval.indexing import kept, queue, store as chunks
from retrieval.indexing.difference import DocumentText
from retrieval.indexing.generations import generations
from retrieval.models import Document, SyncRun
from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import numpy as np

    from retrieval.indexing.generations import Generation
    from retrieval.indexing.work import Work
    from retrieval.terms import TermCounts

log = structlog.get_logger(__name__)

UNFINISHED = (Document.Status.QUEUED, Document.Status.INDEXING)

# `is_anew`: only the chunks are new. A failure that concerned the same content is over then.
_SETTLE = """
UPDATE retrieval_document document SET
    status = CASE WHEN new.is_anew AND status = 'failed' AND document.content_hash <> indexed_hash
        THEN 'failed' ELSE 'ready' END,
    stage = '',
    error_code = CASE WHEN new.is_anew AND status = 'failed' AND document.content_hash <> indexed_hash
        THEN error_code ELSE '' END,
    error_message = CASE WHEN new.is_anew AND status = 'failed' AND document.content_hash <> indexed_hash
        THEN error_message ELSE '' END,
    content_hash = CASE WHEN has_text THEN new.content_hash ELSE document.content_hash END,
    indexed_hash = CASE WHEN has_text THEN new.content_hash ELSE indexed_hash END,
    markdown = CASE WHEN has_text THEN new.markdown ELSE document.markdown END,
    title = CASE WHEN has_text THEN new.title ELSE document.title END,
    media_type = coalesce(nullif(new.media_type, ''), document.media_type),
    page_count = CASE WHEN has_text THEN new.page_count ELSE document.page_count END,
    indexed_generation = greatest(
        CASE WHEN has_text THEN 0 ELSE indexed_generation END, new.generation),
    size_bytes = coalesce(new.size_bytes, document.size_bytes),
    fingerprint = coalesce(new.fingerprint, document.fingerprint),
    source_state = coalesce(new.source_state::jsonb, document.source_state),
    sync_action = CASE WHEN new.is_unchanged AND sync_action = 'update' THEN 'unchanged'
        ELSE sync_action END,
    chunk_count = coalesce(new.chunk_count, document.chunk_count),
    token_count = coalesce(new.token_count, document.token_count),
    indexed_at = CASE WHEN new.is_made THEN now() ELSE indexed_at END, updated_at = now()
FROM unnest(%s::uuid[], %s::bool[], %s::bool[], %s::int[], %s::int[], %s::int[],
    %s::bool[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[],
    %s::bigint[], %s::text[], %s::text[], %s::bool[])
    AS new(id, is_anew, is_made, generation, chunk_count, token_count,
        has_text, content_hash, markdown, title, media_type, page_count,
        size_bytes, fingerprint, source_state, is_unchanged)
WHERE document.tenant_id = %s AND document.id = new.id
"""
# Runs whose last documents these were. Of one tenant they are stored one batch after another.
_FINISHED_RUNS = """
SELECT run.id FROM unnest(%s::uuid[]) AS run (id) WHERE NOT EXISTS (
    SELECT FROM retrieval_document document
    WHERE document.sync_run_id = run.id AND status IN ('queued', 'indexing'))
"""


def begin(works: Sequence[Work]) -> None:
    """In the transaction that read the documents. What is ready stays ready while its chunks are
    made anew."""
    for work in works:
        work.is_anew = bool(work.begun.indexed_hash) and work.begun.status not in UNFINISHED
    if len(works) == 1:  # several are done before anybody could look
        show_stage(works, "extracting")


def show_stage(works: Sequence[Work], stage: str) -> None:
    shown = [work.begun.pk for work in works if not work.is_anew]
    waiting = Document.objects.filter(pk__in=shown, status__in=UNFINISHED)
    waiting.update(status=Document.Status.INDEXING, stage=stage, error_code="", error_message="")


def give_back(works: Sequence[Work]) -> None:
    if not works:
        return
    with tenant_context(works[0].claim.tenant):
        waiting = [work.begun.pk for work in works if not work.is_anew]
        indexing = Document.objects.filter(pk__in=waiting, status=Document.Status.INDEXING)
        indexing.update(status=Document.Status.QUEUED, stage="")
        queue.give_back([work.claim for work in works])


def store(
    works: Sequence[Work],
    made: Sequence[Generation],
    vectors: Mapping[int, Mapping[str, np.ndarray]],
    counts: Mapping[str, TermCounts],
) -> set[UUID]:
    """Returns the sync runs that have nothing left to index. `vectors` by generation, and both by
    `hash_passage`. Raises VectorGone."""
    tenant = works[0].claim.tenant
    with tenant_context(tenant, durable=False):
        ready, again = _lock_claimed(works)
        chunks.lock_chunks(tenant)
        # Another generation may have been begun, or put in use, meanwhile.
        if generations(Tenant.objects.get(pk=tenant.pk)) != list(made):
            ready, again = [], [*ready, *again]
        put_back(again)
        if ready:
            _store(tenant, ready, made, vectors, counts)
        finished = _find_finished(ready)
    if ready:
        made_chunks = sum(len(each) for work in ready for each in work.passages.values())
        log.info("documents indexed", documents=len(ready), chunks=made_chunks)
    return finished


def _store(
    tenant: Tenant,
    works: Sequence[Work],
    made: Sequence[Generation],
    vectors: Mapping[int, Mapping[str, np.ndarray]],
    counts: Mapping[str, TermCounts],
) -> None:
    _keep_versions(tenant, works)
    for generation in made:
        texts = [
            DocumentText(work.begun.pk, work.begun.access_level, work.passages[generation.number])
            for work in works
            if generation.number in work.passages
        ]
        if texts:
            own = vectors[generation.number]
            chunks.replace_chunks(tenant, generation, texts, own, counts)
    _update_documents(tenant, works, made)
    _raise_receipts(works)
    queue.finish([work.claim for work in works])
    if any(work.passages for work in works):
        chunks.raise_revision(tenant)


def _lock_claimed(works: Sequence[Work]) -> tuple[list[Work], list[Work]]:
    """Those to store, and those that changed since they were begun. Every upload has a storage key
    of its own; whatever else changes a document's content puts it in line again."""
    rows = Document.objects.select_for_update().order_by("pk")
    rows = rows.filter(pk__in=[work.begun.pk for work in works])
    found = {row.pk: row for row in rows.only("pk", "storage_key", "access_level", "sync_run_id")}
    mine, enqueued = (set(each) for each in queue.hold([work.claim for work in works]))
    ready: list[Work] = []
    again: list[Work] = []
    for work in works:
        row = found.get(work.begun.pk)
        if row is None or work.claim not in mine:
            log.warning("lease lost", document=str(work.begun.pk))
        elif row.storage_key != work.begun.storage_key or work.claim in enqueued:
            again.append(work)
        else:
            work.begun.access_level = row.access_level
            ready.append(work)
    return ready, again


def put_back(works: Sequence[Work]) -> None:
    ids = [work.begun.pk for work in works]
    Document.objects.filter(pk__in=ids, status=Document.Status.INDEXING).update(
        status=Document.Status.QUEUED, stage=""
    )
    queue.put_back([work.claim for work in works])


def _keep_versions(tenant: Tenant, works: Sequence[Work]) -> None:
    """What a sync replaces can be brought back."""
    replaced: dict[Any, list[Any]] = defaultdict(list)
    for work in works:
        if (
            work.content
            and not work.is_unchanged
            and work.begun.indexed_hash
            and work.begun.sync_run_id
        ):
            replaced[work.begun.sync_run_id].append(work.begun.pk)
    for run_id, ids in replaced.items():
        kept.keep_versions(tenant, ids, run_id)


def _update_documents(tenant: Tenant, works: Sequence[Work], made: Sequence[Generation]) -> None:
    """One statement for all, because each time that a row is written costs its indexes too."""
    current, complete = made[0].number, made[-1].number
    rows = [(*_ready(work, current, complete), *_new_text(work), *_fetched(work)) for work in works]
    columns = [list(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, [*columns, tenant.pk])


def _ready(work: Work, current: int, complete: int) -> tuple[Any, ...]:
    passages = work.passages.get(current)
    counts = (len(passages), sum(p.token_count for p in passages)) if passages else (None, None)
    return (work.begun.pk, work.is_anew, bool(work.passages), complete, *counts)


def _new_text(work: Work) -> tuple[Any, ...]:
    """Nothing when the document keeps its text."""
    text = work.text
    if work.keeps_text or text is None:
        return (False, None, None, None, None, None)
    names = (text.title[:500], text.media_type[:120], text.page_count)
    return (True, work.content_hash, text.markdown, *names)


def _fetched(work: Work) -> tuple[Any, ...]:
    """As the source told it together with the content; nothing of an upload."""
    content = work.content
    if content is None:
        return (None, None, None, False)
    state = json.dumps(dict(content.state))
    return (len(content.data), content.fingerprint[:300], state, work.is_unchanged)


def _find_finished(works: Sequence[Work]) -> set[UUID]:
    runs = {work.begun.sync_run_id for work in works if work.begun.sync_run_id}
    if not runs:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_FINISHED_RUNS, [list(runs)])
        return {row[0] for row in cursor.fetchall()}


def _raise_receipts(works: Sequence[Work]) -> None:
    """Of documents that a sync brought, and not of chunks that other settings made anew, nor of
    what somebody tried again after the run was over."""
    receipts: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for work in works:
        if work.begun.sync_run_id and not work.is_anew:
            made = sum(map(len, work.passages.values()))
            receipt = receipts[work.begun.sync_run_id]
            receipt[0] += work.embedded_chunks
            receipt[1] += made - work.embedded_chunks
            receipt[2] += work.embedded_tokens
    for run_id, (embedded, reused, tokens) in receipts.items():
        SyncRun.objects.filter(pk=run_id, status=SyncRun.Status.RUNNING).update(
            embedded_chunks=F("embedded_chunks") + embedded,
            reused_chunks=F("reused_chunks") + reused,
            embedded_tokens=F("embedded_tokens") + tokens,
        )
