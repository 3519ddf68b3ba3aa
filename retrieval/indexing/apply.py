"""A plan put into the documents: renamed, removed, queued. In slices, each a transaction.

Broken off, it is planned and applied again: every step leaves what it did before as it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from django.db import connection

from retrieval.indexing import kept, queue
from retrieval.models import Document
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from retrieval.connectors.base import Content, SourceItem
    from retrieval.indexing.plan import KnownDocument, Plan
    from retrieval.models import Source, SyncRun
    from tenants.models import Tenant

    Row = TypeVar("Row")

SLICE = 1_000
DELETE_SLICE = 500

# Out of the way first: one document's new name can be another's old one.
_FREE_NAMES = """
UPDATE retrieval_document SET external_id = 'renamed:' || id
WHERE tenant_id = %s AND id = ANY(%s) AND removed_at IS NULL
"""
_RENAME = """
UPDATE retrieval_document d SET external_id = new.external_id, path = new.path,
    fingerprint = new.fingerprint, sync_run_id = %s, sync_action = 'rename', updated_at = now()
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS new(id, external_id, path, fingerprint)
WHERE d.tenant_id = %s AND d.id = new.id AND d.removed_at IS NULL
"""
_TOUCH = """
UPDATE retrieval_document d SET fingerprint = new.fingerprint, source_state = new.state::jsonb
FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS new(id, fingerprint, state)
WHERE d.tenant_id = %s AND d.id = new.id AND d.removed_at IS NULL
"""
_UPDATE = """
UPDATE retrieval_document d SET status = 'queued', stage = '', error_code = '', error_message = '',
    path = new.path, sync_run_id = %s, sync_action = 'update', updated_at = now()
FROM unnest(%s::uuid[], %s::text[]) AS new(id, path)
WHERE d.tenant_id = %s AND d.id = new.id AND d.removed_at IS NULL
RETURNING d.id
"""
# One that is there already was made by this run before it was interrupted.
_ADD = """
INSERT INTO retrieval_document (id, source_id, external_id, path, size_bytes, access_level, status,
    sync_run_id, sync_action, title, stage, error_code, error_message, content_hash, indexed_hash,
    media_type, markdown, chunk_count, token_count, uploaded_by, updated_at)
SELECT gen_random_uuid(), %s, external_id, path, size_bytes, %s, 'queued', %s, 'add',
    '', '', '', '', '', '', '', '', 0, 0, '', now()
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS new(external_id, path, size_bytes)
ON CONFLICT (tenant_id, source_id, external_id) WHERE removed_at IS NULL
    DO UPDATE SET status = 'queued', sync_run_id = EXCLUDED.sync_run_id
    WHERE retrieval_document.status <> 'ready'
RETURNING id
"""


class Application:
    """`keep_alive` is called between slices, and may raise to end it."""

    def __init__(
        self, tenant: Tenant, source: Source, run: SyncRun, keep_alive: Callable[[], None]
    ) -> None:
        self._tenant, self._source, self._run = tenant, source, run
        self._keep_alive = keep_alive

    def apply(self, plan: Plan, *, delete: bool) -> None:
        """`delete`: now, and not when the new documents are indexed."""
        if plan.renamed:
            with tenant_context(self._tenant):
                self._rename(plan.renamed)
        for slice_ in self._slices(plan.touched):
            self._touch(slice_)
        if delete:
            self.delete([document.id for document in plan.deleted])
        for slice_ in self._slices(plan.updated):
            self._update(slice_)
        for slice_ in self._slices(plan.added):
            self._add(slice_)

    def delete(self, ids: Sequence[UUID]) -> None:
        """They leave the search, and are kept to be brought back."""
        for slice_ in self._slices(ids, DELETE_SLICE):
            with tenant_context(self._tenant):
                here = Document.objects.filter(source=self._source, pk__in=slice_)
                here.update(sync_run=self._run, sync_action=Document.SyncAction.DELETE)
                queue.remove_many(self._tenant, slice_)
                kept.keep_and_remove(self._tenant, slice_, self._run.pk)

    def _rename(self, renamed: Sequence[tuple[KnownDocument, SourceItem, str]]) -> None:
        ids = [document.id for document, _, _ in renamed]
        columns = [
            ids,
            [item.external_id for _, item, _ in renamed],
            [item.path for _, item, _ in renamed],
            [fingerprint for _, _, fingerprint in renamed],
        ]
        with connection.cursor() as cursor:
            cursor.execute(_FREE_NAMES, [self._tenant.pk, ids])
            cursor.execute(_RENAME, [self._run.pk, *columns, self._tenant.pk])

    def _touch(self, touched: Sequence[tuple[KnownDocument, Content]]) -> None:
        columns = [
            [document.id for document, _ in touched],
            [content.fingerprint for _, content in touched],
            [json.dumps(dict(content.state)) for _, content in touched],
        ]
        with tenant_context(self._tenant), connection.cursor() as cursor:
            cursor.execute(_TOUCH, [*columns, self._tenant.pk])

    def _update(self, updated: Sequence[tuple[KnownDocument, SourceItem]]) -> None:
        columns = [[document.id for document, _ in updated], [item.path for _, item in updated]]
        with tenant_context(self._tenant), connection.cursor() as cursor:
            cursor.execute(_UPDATE, [self._run.pk, *columns, self._tenant.pk])
            queue.enqueue_many(self._tenant, [row[0] for row in cursor.fetchall()])

    def _add(self, added: Sequence[SourceItem]) -> None:
        columns = [
            [item.external_id for item in added],
            [item.path for item in added],
            [item.size or 0 for item in added],
        ]
        level = self._source.access_level
        with tenant_context(self._tenant), connection.cursor() as cursor:
            cursor.execute(_ADD, [self._source.pk, level, self._run.pk, *columns])
            queue.enqueue_many(self._tenant, [row[0] for row in cursor.fetchall()])

    def _slices(self, rows: Sequence[Row], size: int = SLICE) -> Iterator[Sequence[Row]]:
        for start in range(0, len(rows), size):
            self._keep_alive()
            yield rows[start : start + size]
