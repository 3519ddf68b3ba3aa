"""What became of documents that could not be indexed: failed, put off, or left as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection

from retrieval.connectors.base import ItemGone
from retrieval.indexing import queue, settle as settling
from retrieval.models import Document
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ragadmin.errors import RagadminError
    from retrieval.indexing.work import Work

log = structlog.get_logger(__name__)

OUTCOME = ["status", "stage", "error_code", "error_message", "updated_at"]
TRIED = ["content_hash", "size_bytes", "fingerprint", "source_state"]

_NOTE_ERROR = """
INSERT INTO retrieval_syncerror (id, sync_run_id, external_id, path, code, message)
VALUES (gen_random_uuid(), %s, %s, %s, %s, %s)
ON CONFLICT (sync_run_id, external_id)
    DO UPDATE SET path = EXCLUDED.path, code = EXCLUDED.code, message = EXCLUDED.message
"""


def settle(works: Iterable[Work]) -> None:
    """Each in a transaction of its own. The text that was searchable stays so."""
    for work in works:
        assert work.error
        if isinstance(work.error, queue.LeaseLost):
            log.warning("lease lost", document=str(work.begun.pk))
            continue
        with tenant_context(work.claim.tenant):
            _settle(work, work.error)


def _settle(work: Work, error: RagadminError) -> None:
    """A failure of the old file says nothing about a new one, which is indexed next."""
    rows = Document.objects.select_for_update().defer("markdown", "kept_chunks")
    document = rows.filter(pk=work.begun.pk).first()
    mine, enqueued = queue.hold([work.claim])
    if document is None or not mine:
        queue.finish([work.claim])
    elif enqueued or document.storage_key != work.begun.storage_key:
        settling.put_back([work])
    elif isinstance(error, ItemGone):
        _leave(work, document)
    elif error.permanent or work.claim.attempts >= queue.MAX_ATTEMPTS:
        _fail(work, document, error)
    else:
        _put_off(work, document, error)


def _leave(work: Work, document: Document) -> None:
    """It vanished while the run went on: the next one will find it deleted."""
    if document.indexed_hash:
        document.status, document.stage = Document.Status.READY, ""
        document.sync_action = Document.SyncAction.UNCHANGED
        document.save(update_fields=["status", "stage", "sync_action", "updated_at"])
    else:
        document.delete()
    queue.finish([work.claim])


def _put_off(work: Work, document: Document, error: RagadminError) -> None:
    log.warning("indexing put off", document=str(document.pk), code=error.code)
    if not work.is_anew:
        document.status, document.stage = Document.Status.QUEUED, "waiting to retry"
        document.error_code, document.error_message = error.code[:20], error.message
        document.save(update_fields=OUTCOME)
    queue.put_off([work.claim])


def _fail(work: Work, document: Document, error: RagadminError) -> None:
    log.warning("document failed", document=str(document.pk), code=error.code)
    document.status, document.stage = Document.Status.FAILED, ""
    document.error_code, document.error_message = error.code[:20], error.message
    document.save(update_fields=[*OUTCOME, *_note_tried(work, document, error)])
    if document.sync_run_id and not work.is_anew:
        values = [document.sync_run_id, document.external_id, document.path]
        with connection.cursor() as cursor:
            cursor.execute(_NOTE_ERROR, [*values, error.code[:40], error.message])
    queue.finish([work.claim])


def _note_tried(work: Work, document: Document, error: RagadminError) -> list[str]:
    """What cannot be read is not tried in every run, until it changes."""
    if document.storage_key or work.is_anew:
        return []
    content = work.content
    if content is None or not error.permanent:
        document.fingerprint = ""
        return ["fingerprint"]
    document.content_hash, document.size_bytes = work.content_hash, len(content.data)
    document.fingerprint = content.fingerprint[:300]
    document.source_state = dict(content.state)
    return TRIED
