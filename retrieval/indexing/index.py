"""A batch of one tenant's documents from their files to searchable chunks.

No transaction is open while a file is read or a model works. What was done is kept only for documents
that are still the ones that were claimed, and still this worker's: the others lose nothing by it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections
from structlog.contextvars import bound_contextvars

from ragadmin.errors import (
    ExtractionError,
    ProviderError,
    RagadminError,
    SchemaMissing,
    TenantGone,
)
from retrieval.indexing import chunking, failure, pace, queue, settle, statistics, store
from retrieval.indexing.difference import hash_passage
from retrieval.indexing.generations import generations
from retrieval.indexing.paid import book_vectors, embed_passages
from retrieval.indexing.work import Sources, Work, copy_texts, extract_texts, load_texts
from retrieval.models import Document
from retrieval.providers.embedders import get_embedder
from retrieval.terms import term_counts
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    import numpy as np

    from retrieval.indexing.generations import Generation
    from retrieval.indexing.queue import Claim
    from retrieval.terms import TermCounts
    from tenants.models import Tenant

    Act = Callable[[Sequence[Work]], None]

log = structlog.get_logger(__name__)

EMBED_BATCH = 32
# The lease outlives the limit that extraction sets itself.
EXTRACTION_LEASE_SECONDS = 300
# How often a batch that takes its time says how far it is, and renews its leases.
PULSE_SECONDS = 1.0
# A text whose vector was to be copied may go as often as this before it is embedded.
TRIES_TO_STORE = 3


@dataclass(frozen=True, slots=True)
class Indexed:
    """Whose documents a batch indexed, and sync runs of which they may have been the last."""

    tenant: Tenant
    run_ids: frozenset[UUID] = frozenset()


def index_next_batch(
    worker: str, places: int | None = None, tenant: Tenant | None = None
) -> Indexed | None:
    """Claims some documents of one tenant and indexes them. None when none are waiting."""
    claims = queue.claim_batch(worker, places, tenant)
    return index_batch(claims) if claims else None


def index_document(claim: Claim) -> Indexed:
    return index_batch([claim])


def index_batch(claims: Sequence[Claim]) -> Indexed:
    """Ends with each document ready, failed, or back in the queue; or gone with its tenant."""
    tenant = claims[0].tenant
    batch = Batch(claims)
    try:
        # For the log, also between the transactions.
        with bound_contextvars(tenant=tenant.slug):
            batch.begin()
            batch.finish()
    except TenantGone:
        log.warning("tenant deleted while documents were indexed", tenant=tenant.slug)
    except SchemaMissing as error:  # its documents can wait until an operator has restored it
        log.warning("indexing put off", tenant=tenant.slug, documents=len(claims), code=error.code)
        queue.put_off(claims)
    return Indexed(tenant, frozenset(batch.run_ids))


class Batch:
    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = list(claims)
        self._tenant = claims[0].tenant
        self._generations = generations(self._tenant)
        self._counts: dict[str, TermCounts] = {}
        self._vectors: dict[int, dict[str, np.ndarray]] = {
            each.number: {} for each in self._generations
        }
        self._works: list[Work] = []
        self._start = self._pulse = time.monotonic()
        self.run_ids: set[UUID] = set()

    def begin(self) -> None:
        """Documents that are gone are done; what would make the batch too large is given back."""
        with tenant_context(self._tenant, durable=False):
            rows = Document.objects.select_for_update(of=("self",)).select_related("source")
            rows = rows.defer("markdown", "kept_chunks").order_by("pk")
            found = {
                row.pk: row for row in rows.filter(pk__in=[c.document_id for c in self._claims])
            }
            here = [claim for claim in self._claims if claim.document_id in found]
            queue.finish([claim for claim in self._claims if claim.document_id not in found])
            works = [Work(claim, found[claim.document_id]) for claim in here]
            self._works = self._within_limit(works)
            settle.begin(self._works)

    def finish(self) -> None:
        self._try(self._check_attempts)
        self._read()
        self._try(self._find_texts)
        self._try(self._extract)
        self._try(self._chunk, one_by_one=True)
        self._try(self._embed)
        self._try(self._store)
        failed = [work for work in self._works if work.error]
        failure.settle(failed)
        self.run_ids |= {work.begun.sync_run_id for work in failed if work.begun.sync_run_id}
        pace.note(self._tenant, len(self._works), time.monotonic() - self._start)
        statistics.note_indexed(self._tenant, len(self._works))

    def _open(self) -> list[Work]:
        return [work for work in self._works if work.error is None]

    def _try(self, act: Act, *, one_by_one: bool = False) -> None:
        """What fails for several documents may be one document's fault: then each is tried alone."""
        works = self._open()
        if one_by_one:
            for work in works:
                self._try_for([work], act)
        elif works:
            self._try_for(works, act)

    def _try_for(self, works: Sequence[Work], act: Act) -> None:
        error = self._error_of(act, works)
        if error is None:
            return
        is_ones_own = error.permanent or error.code == "internal"
        if is_ones_own and len(works) > 1:
            for work in works:
                self._try_for([work], act)
            return
        for work in works:
            work.error = error

    def _error_of(self, act: Act, works: Sequence[Work]) -> RagadminError | None:
        try:
            act(works)
        except (TenantGone, SchemaMissing):
            raise
        except RagadminError as error:
            return error
        except (OperationalError, InterfaceError) as error:
            close_old_connections()
            return ProviderError(f"The database failed: {error}", code="database")
        except Exception as error:
            if len(works) == 1:
                log.exception("indexing broke off", document=str(works[0].begun.pk))
            return ProviderError(f"Indexing broke off ({type(error).__name__}).", code="internal")
        return None

    def _check_attempts(self, works: Sequence[Work]) -> None:
        for work in works:
            if work.claim.attempts > queue.MAX_ATTEMPTS:
                work.error = RagadminError(
                    f"Indexing this file stopped the worker {queue.MAX_ATTEMPTS} times: "
                    "split it or save it in another format, and upload it again.",
                    code="interrupted",
                )

    def _read(self) -> None:
        sources = Sources()
        try:
            for work in self._open():
                if work.begun.storage_key:
                    work.content_hash = work.begun.content_hash
                elif not work.is_anew:
                    self._keep_alive()
                    self._try_for([work], lambda works: sources.read(works[0]))
        finally:
            sources.close()
        self._works = self._within_limit(self._works)

    def _find_texts(self, works: Sequence[Work]) -> None:
        own = [work for work in works if work.keeps_text and self._missing(work)]
        new = [work for work in works if not work.keeps_text]
        if own or new:
            with tenant_context(self._tenant):
                load_texts(own)
                copy_texts(new)

    def _extract(self, works: Sequence[Work]) -> None:
        without = [work for work in works if not work.text and not work.keeps_text]
        if without:
            extract_texts(without, self._keep_alive)

    def _chunk(self, works: Sequence[Work]) -> None:
        _set_stage(self, "chunking")
        for work in works:
            if work.text is None:
                continue
            for generation in self._missing(work):
                embedder = get_embedder(generation.embedding_model)
                passages = chunking.split(work.text.markdown, embedder, generation.chunk_tokens)
                if not passages:
                    raise ExtractionError("No text was found in this file.", code="no_text")
                work.passages[generation.number] = passages

    def _missing(self, work: Work) -> list[Generation]:
        """The generations that the document's chunks have to be made for."""
        if not work.keeps_text:
            return self._generations
        done = work.begun.indexed_generation
        return [each for each in self._generations if each.number > done]

    def _embed(self, works: Sequence[Work]) -> None:
        for generation in self._generations:
            self._embed_for(generation, works)

    def _embed_for(self, generation: Generation, works: Sequence[Work]) -> None:
        """Only text that the tenant does not have yet goes to the model."""
        wanted = {
            hash_passage(passage): (passage, work)
            for work in reversed(works)
            for passage in work.passages.get(generation.number, ())
        }
        vectors = self._vectors[generation.number]
        with tenant_context(self._tenant):
            known = store.find_known(self._tenant, generation, wanted)
        missing = [key for key in wanted if key not in known and key not in vectors]
        model = generation.embedding_model
        for start in range(0, len(missing), EMBED_BATCH):
            _set_stage(self, _progress(start, len(missing)))
            keys = missing[start : start + EMBED_BATCH]
            rows, usage = embed_passages(model, [wanted[key][0] for key in keys])
            book_vectors(self._tenant, model, usage)
            vectors.update(zip(keys, rows, strict=True))
            for key in keys:  # here, and not while the tenant is locked
                self._counts[key] = term_counts(wanted[key][0].embedded_text)
            for passage, work in map(wanted.__getitem__, keys):
                work.embedded_chunks += 1
                work.embedded_tokens += passage.token_count

    def _store(self, works: Sequence[Work]) -> None:
        _set_stage(self, "storing")
        for _ in range(TRIES_TO_STORE):
            try:
                self.run_ids |= settle.store(works, self._generations, self._vectors, self._counts)
                return
            except store.VectorGone:
                self._embed(works)
        raise ProviderError("The tenant's texts change too quickly.", code="internal")

    def _within_limit(self, works: Sequence[Work]) -> list[Work]:
        size, kept = 0, 0
        for work in works:
            size += work.size_bytes
            if kept and size > pace.MAX_BYTES:
                break
            kept += 1
        settle.give_back(works[kept:])
        return list(works[:kept])

    def _keep_alive(self) -> None:
        if time.monotonic() - self._pulse > PULSE_SECONDS:
            self._renew(EXTRACTION_LEASE_SECONDS)

    def _renew(self, seconds: float) -> None:
        """A worker that works keeps its documents; those that it lost it leaves alone."""
        self._pulse = time.monotonic()
        held = set(queue.renew([work.claim for work in self._works], seconds))
        lost = [work for work in self._works if work.claim not in held]
        for work in lost:
            work.error = queue.LeaseLost("The lease on this document ended.")

    def show(self, stage: str) -> None:
        if time.monotonic() - self._pulse > PULSE_SECONDS:
            self._renew(queue.LEASE_SECONDS)
            with tenant_context(self._tenant):
                settle.show_stage(self._open(), stage)


def _set_stage(batch: Batch, stage: str) -> None:
    """For the page, of batches that people can see at work."""
    batch.show(stage)


def _progress(done: int, total: int) -> str:
    """The column holds 20 characters."""
    return f"embedding {done}/{total}" if total < 10_000 else f"embedding {100 * done // total}%"
