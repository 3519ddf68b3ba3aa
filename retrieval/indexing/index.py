"""One document from its file to searchable chunks: extract, chunk, embed, store.

No transaction is open while a file is read or a model works. What was done is kept only if the
document is still the one that was claimed, and still this worker's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from ragadmin.errors import (
    ExtractionError,
    ProviderError,
    RagadminError,
    SchemaMissing,
    TenantGone,
)
from retrieval.indexing import chunking, extract, files, queue, store
from retrieval.models import Document
from retrieval.providers.embedders import get_embedder
from retrieval.vectors import as_halfvec
from tenants.context import tenant_context

if TYPE_CHECKING:
    from retrieval.indexing.queue import Claim
    from retrieval.providers.base import Embedder
    from retrieval.types import ExtractedText, Passage
    from tenants.models import Tenant

log = structlog.get_logger(__name__)

EMBED_BATCH = 32
OUTCOME = ["status", "stage", "error_code", "error_message", "updated_at"]
# The lease outlives the limit that extraction sets itself.
EXTRACTION_LEASE_SECONDS = 300


class Superseded(RagadminError):
    """The document was deleted or uploaded anew while it was being indexed."""

    code = "superseded"
    permanent = False


def index_next_document(worker: str) -> Tenant | None:
    """Claims one document and indexes it. Returns whose it was; None when none is waiting."""
    claim = queue.claim_next(worker)
    if claim is None:
        return None
    index_document(claim)
    return claim.tenant


def index_document(claim: Claim) -> None:
    """Ends with the document ready, failed, or back in the queue; or gone with its tenant."""
    try:
        # For the log, also between the transactions.
        with bound_contextvars(tenant=claim.tenant.slug):
            _index_claimed(claim)
    except TenantGone:
        log.warning("tenant deleted while a document was indexed", tenant=claim.tenant.slug)
    except SchemaMissing as error:  # its documents can wait until an operator has restored it
        log.warning(
            "indexing put off",
            tenant=claim.tenant.slug,
            document=str(claim.document_id),
            code=error.code,
        )
        queue.put_off(claim)


def _index_claimed(claim: Claim) -> None:
    document = _begin(claim)
    if document is None:
        queue.finish(claim)
        return
    error = _try(claim, document)
    if error is not None:
        _settle(claim, document, error)


def _try(claim: Claim, document: Document) -> RagadminError | None:
    try:
        _index(claim, document)
    except RagadminError as error:
        return error
    except (OperationalError, InterfaceError) as error:
        close_old_connections()
        return ProviderError(f"The database failed: {error}", code="database")
    except Exception as error:
        log.exception("indexing broke off", document=str(document.pk))
        return ProviderError(f"Indexing broke off ({type(error).__name__}).", code="internal")
    return None


def _index(claim: Claim, document: Document) -> None:
    if claim.attempts > queue.MAX_ATTEMPTS:
        raise RagadminError(
            f"Indexing this file stopped the worker {queue.MAX_ATTEMPTS} times: "
            "split it or save it in another format, and upload it again.",
            code="interrupted",
        )
    queue.renew(claim, EXTRACTION_LEASE_SECONDS)
    with files.local_file(document.storage_key) as path:
        text = extract.extract(path, document.path)
    _set_stage(claim, "chunking")
    embedder = get_embedder(claim.tenant.embedding_model)
    passages = chunking.split(text.markdown, embedder, claim.tenant.chunk_tokens)
    if not passages:
        raise ExtractionError("No text was found in this file.", code="no_text")
    vectors = _embed(claim, embedder, passages)
    _set_stage(claim, "storing")
    _store(claim, document, text, passages, vectors)


def _begin(claim: Claim) -> Document | None:
    with tenant_context(claim.tenant):
        documents = Document.objects.filter(pk=claim.document_id)
        documents.update(
            status=Document.Status.INDEXING, stage="extracting", error_code="", error_message=""
        )
        return documents.defer("markdown").first()


def _set_stage(claim: Claim, stage: str) -> None:
    """For the page. The lease is renewed with each stage: a worker that works keeps its document."""
    queue.renew(claim)
    with tenant_context(claim.tenant):
        Document.objects.filter(pk=claim.document_id).update(stage=stage)


def _embed(claim: Claim, embedder: Embedder, passages: list[Passage]) -> dict[str, str]:
    """Vectors by content hash; only text that the tenant does not have yet goes to the model."""
    texts = {store.hash_passage(passage): passage.embedded_text for passage in passages}
    with tenant_context(claim.tenant):
        vectors = store.find_vectors(claim.tenant, list(texts), embedder.dimension)
    missing = [key for key in texts if key not in vectors]
    for start in range(0, len(missing), EMBED_BATCH):
        _set_stage(claim, _progress(start, len(missing)))
        batch = missing[start : start + EMBED_BATCH]
        rows = embedder.embed([texts[key] for key in batch])
        vectors.update(zip(batch, map(as_halfvec, rows), strict=True))
    return vectors


def _progress(done: int, total: int) -> str:
    """The column holds 20 characters."""
    return f"embedding {done}/{total}" if total < 10_000 else f"embedding {100 * done // total}%"


def _store(
    claim: Claim,
    begun: Document,
    text: ExtractedText,
    passages: list[Passage],
    vectors: dict[str, str],
) -> None:
    with tenant_context(claim.tenant):
        document = _lock_unchanged(claim, begun)
        store.replace_chunks(claim.tenant, document, passages, vectors)
        document.status, document.stage = Document.Status.READY, ""
        document.error_code = document.error_message = ""
        document.indexed_hash = document.content_hash
        document.markdown, document.title = text.markdown, text.title[:500]
        document.media_type = text.media_type[:120] or document.media_type
        document.page_count = text.page_count
        document.chunk_count = len(passages)
        document.token_count = sum(passage.token_count for passage in passages)
        document.indexed_at = timezone.now()
        document.save()
        queue.finish(claim)
    log.info("document indexed", document=str(document.pk), chunks=len(passages))


def _lock_unchanged(claim: Claim, begun: Document) -> Document:
    """Every upload has a storage key of its own. Raises Superseded, LeaseLost."""
    document = _lock(claim)
    if document is None or document.storage_key != begun.storage_key:
        raise Superseded("The document changed while it was indexed.")
    queue.hold(claim)
    return document


def _settle(claim: Claim, begun: Document, error: RagadminError) -> None:
    """A failure of the old file says nothing about a new one, which is indexed next."""
    if isinstance(error, queue.LeaseLost):
        log.warning("lease lost", document=str(begun.pk))
        return
    with tenant_context(claim.tenant):
        document = _lock(claim)
        if document is None:
            queue.finish(claim)
        elif document.storage_key != begun.storage_key:
            _put_back(claim, document)
        elif error.permanent or claim.attempts >= queue.MAX_ATTEMPTS:
            _fail(claim, document, error)
        else:
            _put_off(claim, document, error)


def _put_back(claim: Claim, document: Document) -> None:
    document.status, document.stage = Document.Status.QUEUED, ""
    document.save(update_fields=["status", "stage", "updated_at"])
    queue.put_back(claim)


def _put_off(claim: Claim, document: Document, error: RagadminError) -> None:
    log.warning("indexing put off", document=str(document.pk), code=error.code)
    document.status, document.stage = Document.Status.QUEUED, "waiting to retry"
    document.error_code, document.error_message = error.code[:20], error.message
    document.save(update_fields=OUTCOME)
    queue.put_off(claim)


def _fail(claim: Claim, document: Document, error: RagadminError) -> None:
    log.warning("document failed", document=str(document.pk), code=error.code)
    document.status, document.stage = Document.Status.FAILED, ""
    document.error_code, document.error_message = error.code[:20], error.message
    document.save(update_fields=OUTCOME)
    queue.finish(claim)


def _lock(claim: Claim) -> Document | None:
    documents = Document.objects.defer("markdown").select_for_update()
    return documents.filter(pk=claim.document_id).first()
