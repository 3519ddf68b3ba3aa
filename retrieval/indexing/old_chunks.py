"""Chunks of generations that were replaced or given up: deleted in slices, once nobody reads them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db import connection

from retrieval.indexing import vector_index
from retrieval.indexing.store import lock_chunks
from retrieval.models import Document
from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from uuid import UUID

SLICE = 2_000

_DELETE = """
WITH old AS (
    SELECT id FROM retrieval_chunk
    WHERE tenant_id = %(tenant)s AND id > %(after)s AND generation <> ALL(%(kept)s)
    ORDER BY id LIMIT %(limit)s),
gone AS (
    DELETE FROM retrieval_chunk chunk USING old
    WHERE chunk.tenant_id = %(tenant)s AND chunk.id = old.id RETURNING chunk.id)
SELECT max(id) FROM gone
"""
_DELETE_FREQUENCIES = """
DELETE FROM retrieval_termfrequency WHERE tenant_id = %(tenant)s AND generation <> ALL(%(kept)s)
"""
_COUNT = """
WITH counted AS (
    SELECT document_id, count(*) AS chunks, sum(token_count) AS tokens FROM retrieval_chunk
    WHERE tenant_id = %(tenant)s AND generation = %(generation)s AND document_id = ANY(%(ids)s)
    GROUP BY document_id)
UPDATE retrieval_document document SET chunk_count = chunks, token_count = tokens
FROM counted WHERE document.id = counted.document_id
    AND (chunk_count, token_count) IS DISTINCT FROM (chunks, tokens)
"""


def remove_old_chunks(tenant: Tenant, seconds: float) -> bool:
    """Of all generations but the one in use and the one being made. False: there was not the time."""
    end = time.monotonic() + seconds
    due = tenant.stale_chunks_at
    vector_index.drop_other_indexes(tenant)
    last: int | None = 0
    while last is not None:
        if time.monotonic() > end:
            return False
        last = _remove_slice(tenant, last)
    _remove_frequencies(tenant)
    Tenant.objects.filter(pk=tenant.pk, stale_chunks_at=due).update(stale_chunks_at=None)
    return True


def count_anew(tenant: Tenant) -> None:
    """What documents say of their passages, after a switch: counted when nobody waits for it."""
    last = None
    while ids := _document_ids(tenant, last):
        with tenant_context(tenant), connection.cursor() as cursor:
            locked = Document.objects.filter(pk__in=ids).order_by("pk").select_for_update()
            list(locked.values_list("pk", flat=True))
            generation = Tenant.objects.values_list("generation", flat=True).get(pk=tenant.pk)
            cursor.execute(_COUNT, {"tenant": tenant.pk, "generation": generation, "ids": ids})
        last = ids[-1]


def _document_ids(tenant: Tenant, after: UUID | None) -> list[UUID]:
    with tenant_context(tenant):
        found = Document.objects.filter(chunk_count__gt=0).order_by("pk")
        if after is not None:
            found = found.filter(pk__gt=after)
        return list(found.values_list("pk", flat=True)[:SLICE])


def _remove_slice(tenant: Tenant, after: int) -> int | None:
    """The last id; None when nothing was left."""
    with tenant_context(tenant), connection.cursor() as cursor:
        lock_chunks(tenant)
        names = {"tenant": tenant.pk, "after": after, "kept": _kept(tenant), "limit": SLICE}
        cursor.execute(_DELETE, names)
        return cursor.fetchone()[0]


def _remove_frequencies(tenant: Tenant) -> None:
    with tenant_context(tenant), connection.cursor() as cursor:
        lock_chunks(tenant)
        cursor.execute(_DELETE_FREQUENCIES, {"tenant": tenant.pk, "kept": _kept(tenant)})


def _kept(tenant: Tenant) -> list[int]:
    """As of now: chunks are locked."""
    row = Tenant.objects.values_list("generation", "next_generation").get(pk=tenant.pk)
    return [number for number in row if number is not None]
