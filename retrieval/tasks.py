"""What Celery runs. A task is a hint that there is work: what the work is stands in the database."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from celery.signals import worker_init
from django.utils import timezone
from kombu.exceptions import KombuError

from ragadmin.celery import app
from ragadmin.errors import SchemaMissing, TenantGone
from retrieval import events
from retrieval.bookkeeping import book
from retrieval.indexing import queue, sync_jobs
from retrieval.models import QueryTrace
from retrieval.query.record import LONGEST_ANSWER
from retrieval.terms import trace_terms
from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

    from retrieval.indexing.index import Indexed

log = structlog.get_logger(__name__)

# Threads of a worker that index, which its tenants share, and threads that list sources: those mostly
# wait for others, for hours if a website is slow, and must not keep documents waiting. The worker has
# more threads than both together (ragadmin.embedded.programs).
INDEXING_PLACES, SYNC_PLACES = 3, 3
_indexing = threading.BoundedSemaphore(INDEXING_PLACES)
_syncing = threading.BoundedSemaphore(SYNC_PLACES)
# A hint that waited longer is not needed: `dispatch_documents` gives another every five seconds.
HINT_SECONDS = 30
# After this long the task gives its thread to others and hints again.
TURN_SECONDS = 20
HOURS_TO_MEASURE = 6


def hint() -> None:
    """Asks for a worker. With Redis down the upload stands, and beat asks again when it is back."""
    try:
        index_next.apply_async(expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("no hint given: the queue cannot be reached", error=str(error))


@app.task(bind=True)
def index_next(self: Task) -> None:
    """Indexes what waits, one batch after another, taking turns between tenants."""
    with _place(_indexing) as is_free:
        if is_free:
            _index_waiting(self.request.hostname or socket.gethostname())


@contextmanager
def _place(places: threading.BoundedSemaphore) -> Iterator[bool]:
    """False when all are taken: those who have them go on until nothing waits."""
    is_free = places.acquire(blocking=False)
    try:
        yield is_free
    finally:
        if is_free:
            places.release()


def _index_waiting(worker: str) -> None:
    # Only workers load what indexing needs; web processes import this module to give hints.
    from retrieval.indexing.index import index_next_batch

    end = time.monotonic() + TURN_SECONDS
    served: dict[int, Tenant] = {}
    while not _is_stopping() and (indexed := index_next_batch(worker, INDEXING_PLACES)):
        if not served and queue.has_claimable():
            hint()  # for another place, which does the same
        served[indexed.tenant.pk] = indexed.tenant
        _follow_up(indexed)
        if time.monotonic() > end:
            hint()
            break
    for tenant in served.values():
        _tune_if_needed(tenant)


def _follow_up(indexed: Indexed) -> None:
    from retrieval.indexing import reindex
    from retrieval.indexing.sync import finish_if_done

    tenant = indexed.tenant
    try:
        for run_id in indexed.run_ids:
            if finish_if_done(tenant, run_id):
                hint_sync()
        if tenant.next_generation is not None and reindex.switch_if_complete(tenant):
            settle_generation.apply_async([tenant.pk], expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except (SchemaMissing, TenantGone) as error:  # others wait
        log.warning("nothing done after indexing", tenant=tenant.slug, code=error.code)


def _tune_if_needed(tenant: Tenant) -> None:
    """Not while the tenant is being filled: to build an index then costs more than it saves."""
    from retrieval.indexing import vector_index

    try:
        if vector_index.may_need_index(tenant, is_filling=queue.waiting(tenant) > 0):
            tune_vector_index.apply_async([tenant.pk], expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except (SchemaMissing, TenantGone) as error:
        log.warning("no look at the vector index", tenant=tenant.slug, code=error.code)


@app.task
def dispatch_documents() -> None:
    """Every five seconds: what lost its hint, or its worker, is hinted again. Idle otherwise."""
    if queue.has_claimable():
        for _ in range(INDEXING_PLACES):
            hint()


def hint_sync() -> None:
    """Asks for a worker to take up sync runs. Beat asks again if the queue cannot be reached."""
    try:
        sync_next.apply_async(expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("no hint given: the queue cannot be reached", error=str(error))


@app.task(bind=True)
def sync_next(self: Task) -> None:
    """Takes up the sync runs that wait, one after another."""
    from retrieval.indexing.sync import run_next_sync

    worker = self.request.hostname or socket.gethostname()
    with _place(_syncing) as is_free:
        while is_free and not _is_stopping() and run_next_sync(worker):
            hint()
            hint_sync()  # for another place, should more wait


@app.task
def dispatch_syncs() -> None:
    """Every ten seconds: queues what is due, and asks for a worker where runs wait."""
    from retrieval.indexing import due, sync_jobs

    due.start_due()
    if sync_jobs.has_claimable():
        hint_sync()


@app.task
def purge_kept_versions() -> None:
    """Every hour: what syncs deleted or replaced and nobody brought back in time."""
    from retrieval.indexing.retention import purge_due

    purge_due()


@app.task
def forget_traces() -> None:
    """Every hour: recorded questions that are older than their tenant keeps them."""
    keeping = Tenant.objects.filter(trace_days__isnull=False)
    for tenant_id in keeping.values_list("pk", flat=True).iterator():
        forget_traces_of.apply_async([tenant_id], expires=3600)  # pyright: ignore[reportFunctionMemberAccess]


@app.task
def forget_traces_of(tenant_id: int) -> None:
    """One tenant's, for a minute at most; also of a suspended one."""
    from retrieval.indexing.trace_upkeep import forget_old

    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is None:
        return
    with _other_tenants_turn(tenant):
        if forgotten := forget_old(tenant):
            log.info("old traces deleted", tenant=tenant.slug, traces=forgotten)


@app.task
def tend_caches() -> None:
    """Every ten minutes: kept answers that have expired, and how many of them were wrong."""
    from retrieval import cache_figures
    from retrieval.indexing import cache_upkeep

    for tenant in cache_upkeep.tenants_with_entries():
        try:
            if purged := cache_upkeep.purge(tenant):
                log.info("kept answers purged", tenant=tenant.slug, entries=purged)
            cache_upkeep.tend_index(tenant)
            cache_figures.adjust_threshold(tenant)
        except (SchemaMissing, TenantGone) as error:  # the other tenants' turn must come
            log.warning("kept answers not looked after", tenant=tenant.slug, code=error.code)


def hint_diagnosis(tenant_id: int) -> None:
    """Of an answer that was just rated down. Beat looks again if the queue cannot be reached."""
    from retrieval.diagnosis.run import mark_waiting

    mark_waiting(tenant_id)
    try:
        diagnose_ratings.apply_async([tenant_id], expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("no hint given: the queue cannot be reached", error=str(error))


@app.task
def diagnose_ratings(tenant_id: int) -> None:
    """Where the answers were lost that were rated down in one tenant."""
    from retrieval.diagnosis.run import MOST_AT_ONCE, diagnose_waiting

    tenant = Tenant.objects.filter(pk=tenant_id, status=Tenant.Status.ACTIVE).first()
    if tenant is None:
        return
    with _other_tenants_turn(tenant):
        if diagnose_waiting(tenant) == MOST_AT_ONCE:
            hint_diagnosis(tenant_id)  # others' turn first


def hint_again(tenant_id: int, trace_id: UUID) -> None:
    """Of a question that somebody waits for to be asked again. The page tells if nobody took it."""
    try:
        ask_again.apply_async([tenant_id, str(trace_id)], expires=3 * 60, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("not asked again: the queue cannot be reached", error=str(error))


@app.task
def ask_again(tenant_id: int, trace_id: str) -> None:
    """One question, as whoever asked it, on the live path."""
    from retrieval.again import ask_again as ask

    tenant = Tenant.objects.filter(pk=tenant_id, status=Tenant.Status.ACTIVE).first()
    if tenant is None:
        return
    with _other_tenants_turn(tenant):
        ask(tenant, UUID(trace_id))


@app.task
def dispatch_diagnoses() -> None:
    """Every five minutes: tenants whose hint was lost, or where nothing could be said then."""
    waiting = Tenant.objects.filter(undiagnosed_at__isnull=False, status=Tenant.Status.ACTIVE)
    for tenant_id in waiting.values_list("pk", flat=True).iterator():
        diagnose_ratings.apply_async([tenant_id], expires=5 * 60)  # pyright: ignore[reportFunctionMemberAccess]


@app.task
def tune_vector_index(tenant_id: int) -> None:
    """Builds, measures or drops one tenant's vector index."""
    from retrieval.indexing import vector_index

    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is not None:
        vector_index.tune_alone(tenant)


@app.task
def tend_generations() -> None:
    """Every 20 seconds: what a process that died left undone, and chunks that nobody reads any more.

    Tenants that are not re-indexed cost nothing.
    """
    from retrieval.indexing import old_chunks, reindex

    active = Tenant.objects.filter(status=Tenant.Status.ACTIVE)
    for tenant in active.filter(next_generation__isnull=False).order_by("next_started_at"):
        with _other_tenants_turn(tenant):
            if reindex.tend(tenant):
                settle_generation(tenant.pk)
    for tenant in Tenant.objects.filter(stale_chunks_at__lte=timezone.now()):
        with _other_tenants_turn(tenant):
            if old_chunks.remove_old_chunks(tenant, TURN_SECONDS):
                settle_generation(tenant.pk)


def hint_reindex(tenant: Tenant) -> None:
    """Of one that has begun. Without it beat goes on when the first documents are done."""
    hint()
    try:
        enqueue_generation.apply_async([tenant.pk], expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("no hint given: the queue cannot be reached", error=str(error))


@app.task
def enqueue_generation(tenant_id: int) -> None:
    """Puts all documents in line that a new generation lacks: 100,000 take too long for a request."""
    from retrieval.indexing.left import enqueue_left

    tenant = Tenant.objects.filter(pk=tenant_id, next_generation__isnull=False).first()
    if tenant is not None:
        enqueue_left(tenant)


@app.task
def settle_generation(tenant_id: int) -> None:
    """After a switch: counts, and an index of the vectors where there should be one."""
    from retrieval.indexing import old_chunks, vector_index

    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is None:
        return
    old_chunks.count_anew(tenant)
    if vector_index.may_need_index(tenant):
        tune_vector_index.apply_async([tenant.pk], expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]


@contextmanager
def _other_tenants_turn(tenant: Tenant) -> Iterator[None]:
    try:
        yield
    except (SchemaMissing, TenantGone) as error:
        log.warning("tenant left out this time", tenant=tenant.slug, code=error.code)


@app.task
def measure_vector_indexes() -> None:
    """Every night: what grew or changed since is measured anew. Tenants without an index cost nothing."""
    indexed = Tenant.objects.filter(vector_checked_at__isnull=False)
    for tenant_id in indexed.values_list("pk", flat=True).iterator():
        tune_vector_index.apply_async([tenant_id], expires=HOURS_TO_MEASURE * 3600)  # pyright: ignore[reportFunctionMemberAccess]


@app.task
def mark_interrupted() -> None:
    """Every quarter of an hour: an answer whose process died is not `running` for ever."""
    for tenant in Tenant.objects.filter(status=Tenant.Status.ACTIVE).iterator():
        try:
            _mark_interrupted(tenant)
        except (SchemaMissing, TenantGone) as error:  # the other tenants' turn must come
            log.warning("interrupted answers not looked for", tenant=tenant.slug, code=error.code)


def _mark_interrupted(tenant: Tenant) -> None:
    before = timezone.now() - LONGEST_ANSWER
    with tenant_context(tenant):
        running = QueryTrace.objects.filter(
            status=QueryTrace.Status.RUNNING, created_at__lt=before
        ).select_for_update()
        asked = {pk: about for pk, *about in running.values_list("id", "question", "asked_by")}
        for trace_id, (question, asked_by) in asked.items():
            QueryTrace.objects.filter(id=trace_id).update(
                status=QueryTrace.Status.FAILED,
                error_code="interrupted",
                error_message="The process that answered this question stopped before it was done.",
                terms=trace_terms((question,), (), asked_by),
            )
        if asked:
            book(events.ledger.completed, answer_ids=list(asked))


@worker_init.connect
def release_own_leases(sender: Any, **kwargs: Any) -> None:
    """A worker that was killed goes on at once, and does not wait for its own leases to end."""
    released = queue.release_leases(sender.hostname) + sync_jobs.release_leases(sender.hostname)
    if released:
        log.info("leases released", worker=sender.hostname, leases=released)
        hint()
        hint_sync()


def _is_stopping() -> bool:
    from celery.worker import state

    return state.should_stop is not None or state.should_terminate is not None
