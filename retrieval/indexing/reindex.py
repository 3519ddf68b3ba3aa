"""A tenant's chunks made anew with other settings, beside those in use, then switched at once.

Which documents are left is never kept anywhere: those with text whose `indexed_generation` is lower
than the one being made. So whatever dies in between, the next look finds what is left to do.
Locks are taken in the order of queue.py: document, job, tenant's chunks, tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db.models import F, Max
from django.db.models.functions import Now

from ragadmin.errors import Conflict
from retrieval.indexing.generations import current_generation, next_generation
from retrieval.indexing.left import behind, enqueue_left, failing, jobs_of, with_text
from retrieval.indexing.store import lock_chunks
from retrieval.models import Document, TermFrequency
from tenants.audit import record_event
from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from tenants.models import User

log = structlog.get_logger(__name__)

# Web processes see a switch within two seconds, and a question may be with its model for some more:
# until then the chunks that were replaced are still searched.
GRACE = timedelta(seconds=90)
SWITCHED_BY = "worker"
NOTHING_GOES_ON = "Nothing is being re-indexed."


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """What decides how chunks are made."""

    embedding_model: str
    embedding_dimension: int
    chunk_tokens: int


def begin(
    tenant: Tenant, wanted: ChunkSettings, actor: User | str | None, *, hold: bool = False
) -> Tenant:
    """Starts a new generation, in place of one under way. Returns the tenant as it is then:
    without documents it has switched already, and with what it has nothing is begun.

    On `hold` it is not switched to when it is complete, but by `hold(tenant, False)`.

    The first documents are in line then; for the others call `enqueue_left`.
    """
    if _settings_of_next(tenant) == wanted:
        return tenant
    with tenant_context(tenant):
        _take_back(tenant)
        row = _lock(tenant)
        if _settings(row) != wanted:
            _announce(row, wanted, actor, is_held=hold)
            if not behind(row).exists():
                _switch(row, actor)
        elif row.next_generation is not None:
            _forget(row, actor)
    enqueue_left(row, slices=1)
    row.refresh_from_db()
    return row


def is_wanted(tenant: Tenant, wanted: ChunkSettings) -> bool:
    """Whether nothing would change: by what is being made, else by what is in use."""
    return (_settings_of_next(tenant) or _settings(tenant)) == wanted


def cancel(tenant: Tenant, actor: User | str | None) -> Tenant:
    """What was made of the new generation is removed. Raises Conflict when there is none."""
    with tenant_context(tenant):
        _take_back(tenant)
        row = _lock(tenant)
        if row.next_generation is None:
            raise Conflict(NOTHING_GOES_ON, code="no_reindex")
        _forget(row, actor)
    return row


def hold(tenant: Tenant, actor: User | str | None, *, is_held: bool) -> bool:
    """Whether a complete generation waits for somebody to switch. True if this has switched to it.

    Raises Conflict when there is none.
    """
    with tenant_context(tenant):
        row = _lock(tenant)
        if row.next_generation is None:
            raise Conflict(NOTHING_GOES_ON, code="no_reindex")
        row.next_is_held = is_held
        row.save(update_fields=["next_is_held"])
        change = "tenant.reindex_held" if is_held else "tenant.reindex_released"
        _record(change, row, actor, **_change(row))
    return not is_held and switch_if_complete(tenant)


def switch_if_complete(tenant: Tenant) -> bool:
    """Puts the new generation in use if nothing is left to do. Cheap when there is none."""
    active = Tenant.objects.filter(pk=tenant.pk, status=Tenant.Status.ACTIVE)
    row = active.filter(next_generation__isnull=False, next_is_held=False).first()
    if row is None or jobs_of(row).exists():
        return False
    number = row.next_generation
    with tenant_context(row):
        if behind(row).exists():
            return False
        row = _lock(row)
        is_same = row.next_generation == number and row.status == Tenant.Status.ACTIVE
        if not is_same or row.next_is_held or behind(row).exists():
            return False
        _switch(row, SWITCHED_BY)
    return True


def switch_without_failing(tenant: Tenant, actor: User | str | None) -> int:
    """Leaves out what cannot be indexed anew, once nothing else is left. Returns how many documents.

    They are failed then, without passages: trying them again indexes them. Raises Conflict.
    """
    with tenant_context(tenant):
        if tenant.next_generation is None:
            raise Conflict(NOTHING_GOES_ON, code="no_reindex")
        left = behind(tenant).order_by("id").select_for_update().values_list("pk", flat=True)
        ids = list(left)
        if len(failing(tenant)) < len(ids):
            raise Conflict(
                "Documents are still being indexed: switch when only failed ones are left.",
                code="reindex_running",
            )
        _leave_out(ids)
        row = _lock(tenant)
        if row.next_generation != tenant.next_generation or behind(row).exists():
            raise Conflict("Something changed meanwhile: look again.", code="reindex_running")
        _switch(row, actor, left_out=len(ids))
    return len(ids)


def tend(tenant: Tenant) -> bool:
    """What a process that died left undone. True if the tenant has switched."""
    if jobs_of(tenant).exists():
        return False
    if enqueue_left(tenant):
        log.info("re-indexing taken up again", tenant=tenant.slug)
        return False
    return switch_if_complete(tenant)


def _lock(tenant: Tenant) -> Tenant:
    lock_chunks(tenant)
    return Tenant.objects.select_for_update().get(pk=tenant.pk)


def _take_back(tenant: Tenant) -> None:
    """Of one under way: its jobs, and failures that are none for the chunks in use."""
    if tenant.next_generation is None:
        return
    failed = with_text().filter(
        status=Document.Status.FAILED,
        content_hash=F("indexed_hash"),
        indexed_generation__gte=tenant.generation,
    )
    failed.update(status=Document.Status.READY, error_code="", error_message="")
    jobs_of(tenant).delete()


def _leave_out(ids: Sequence[UUID]) -> None:
    Document.objects.filter(pk__in=ids).update(
        status=Document.Status.FAILED,
        chunk_count=0,
        token_count=0,
        indexed_hash="",
        indexed_generation=0,
    )


def _announce(
    row: Tenant, wanted: ChunkSettings, actor: User | str | None, *, is_held: bool
) -> None:
    replaced = row.next_generation
    row.next_generation = _unused_number(row)
    row.next_embedding_model = wanted.embedding_model
    row.next_embedding_dimension = wanted.embedding_dimension
    row.next_chunk_tokens = wanted.chunk_tokens
    row.next_is_held = is_held
    row.save(update_fields=_NEXT)
    Tenant.objects.filter(pk=row.pk).update(next_started_at=Now())
    if replaced is not None:
        Tenant.objects.filter(pk=row.pk).update(stale_chunks_at=Now())
    _record("tenant.reindex_started", row, actor, **_change(row))


def _unused_number(row: Tenant) -> int:
    """Never one that chunks were made for, also if they were given up: some may still lie about."""
    documents = Document.every.aggregate(highest=Max("indexed_generation"))["highest"]
    terms = TermFrequency.objects.aggregate(highest=Max("generation"))["highest"]
    return 1 + max(row.generation, row.next_generation or 0, documents or 0, terms or 0)


def _forget(row: Tenant, actor: User | str | None) -> None:
    _record("tenant.reindex_cancelled", row, actor, **_change(row))
    _clear_next(row)
    row.save(update_fields=_NEXT)
    Tenant.objects.filter(pk=row.pk).update(stale_chunks_at=Now())


def _switch(row: Tenant, actor: User | str | None, **detail: Any) -> None:
    detail |= _change(row)
    made = next_generation(row)
    assert made
    row.generation, row.embedding_model = made.number, made.embedding_model
    row.embedding_dimension, row.chunk_tokens = made.embedding_dimension, made.chunk_tokens
    # An index of the vectors is of one generation: until it has one, all its vectors are compared.
    row.hnsw_ef, row.vector_recall, row.vector_checked_at = 0, None, None
    _clear_next(row)
    row.save(update_fields=[*_NEXT, *_IN_USE])
    Tenant.objects.filter(pk=row.pk).update(
        corpus_revision=F("corpus_revision") + 1, stale_chunks_at=Now() + GRACE
    )
    _record("tenant.reindexed", row, actor, **detail)
    log.info("new generation in use", tenant=row.slug, generation=row.generation)


_NEXT = [
    "next_generation", "next_embedding_model", "next_embedding_dimension", "next_chunk_tokens",
    "next_started_at", "next_is_held",
]  # fmt: skip
_IN_USE = [
    "generation", "embedding_model", "embedding_dimension", "chunk_tokens", "hnsw_ef",
    "vector_recall", "vector_checked_at",
]  # fmt: skip


def _clear_next(row: Tenant) -> None:
    row.next_generation = row.next_embedding_dimension = row.next_chunk_tokens = None
    row.next_embedding_model, row.next_started_at, row.next_is_held = "", None, False


def _settings(row: Tenant) -> ChunkSettings:
    made = current_generation(row)
    return ChunkSettings(made.embedding_model, made.embedding_dimension, made.chunk_tokens)


def _settings_of_next(row: Tenant) -> ChunkSettings | None:
    made = next_generation(row)
    if made is None:
        return None
    return ChunkSettings(made.embedding_model, made.embedding_dimension, made.chunk_tokens)


def _change(row: Tenant) -> dict[str, list[Any]]:
    names = ("embedding_model", "chunk_tokens")
    pairs = {name: [getattr(row, name), getattr(row, f"next_{name}")] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _record(action: str, row: Tenant, actor: User | str | None, **detail: Any) -> None:
    record_event(action, actor=actor, tenant=row, target=row.slug, **detail)
