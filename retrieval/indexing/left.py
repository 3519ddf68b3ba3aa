"""What is left to index for the generation that is being made, and what of it only fails."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from django.db.models import F, Q, QuerySet

from retrieval.indexing import queue
from retrieval.models import Document
from tenants.context import tenant_context
from tenants.models import DocumentJob, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

SLICE = 2_000
# Of a file that could not be read: says nothing about the text that is already here.
FILE_ERRORS = (
    "empty", "unsupported", "encrypted", "corrupt", "no_text", "too_large", "timeout", "interrupted",
)  # fmt: skip
# Tried, and what failed was not reading a new version of the file.
ONLY_FAILS = Q(status=Document.Status.FAILED) & (
    ~Q(error_code__in=FILE_ERRORS) | Q(content_hash=F("indexed_hash"))
)


def with_text() -> QuerySet[Document]:
    """Documents that are searched: of these, every generation has chunks."""
    return Document.objects.filter(chunk_count__gt=0)


def behind(tenant: Tenant) -> QuerySet[Document]:
    """Documents that the generation being made lacks. The tenant is in force."""
    return with_text().filter(indexed_generation__lt=tenant.next_generation)


def failing(tenant: Tenant) -> list[UUID]:
    """Documents that wait for nobody and nothing: they were tried as often as it makes sense."""
    found = behind(tenant).filter(ONLY_FAILS).order_by("id")
    return _without_job(tenant, list(found.values_list("pk", flat=True)))


def enqueue_left(tenant: Tenant, slices: int | None = None) -> int:
    """Puts in line what is left and is not there. Returns how many documents."""
    total = 0
    for ids in islice(_slices(tenant), slices):
        with tenant_context(tenant):
            missing = _without_job(tenant, ids)
            queue.enqueue_many(tenant, missing, priority=queue.ANEW)
        total += len(missing)
    return total


def retry_failing(tenant: Tenant) -> int:
    with tenant_context(tenant):
        ids = failing(tenant)
        queue.enqueue_many(tenant, ids, priority=queue.ANEW)
    return len(ids)


def jobs_of(tenant: Tenant) -> QuerySet[DocumentJob]:
    return DocumentJob.objects.filter(tenant=tenant, priority=queue.ANEW)


def _slices(tenant: Tenant) -> Iterator[list[UUID]]:
    """Ids of documents that are behind, without those that only fail; until it is given up."""
    last, number = None, tenant.next_generation
    here = Tenant.objects.filter(pk=tenant.pk, next_generation=number)
    while number is not None and here.exists():
        with tenant_context(tenant):
            found = behind(tenant).exclude(ONLY_FAILS).order_by("id")
            if last is not None:
                found = found.filter(pk__gt=last)
            ids = list(found.values_list("pk", flat=True)[:SLICE])
        if not ids:
            return
        last = ids[-1]
        yield ids


def _without_job(tenant: Tenant, ids: Sequence[UUID]) -> list[UUID]:
    jobs = DocumentJob.objects.filter(tenant=tenant, document_id__in=ids)
    waiting = set(jobs.values_list("document_id", flat=True))
    return [pk for pk in ids if pk not in waiting]
