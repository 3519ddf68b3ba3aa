"""What a sync deleted or replaced, kept for a while to be brought back.

A kept version is a row of Document that is not current, with its chunks as JSON: it has no rows among
the chunks, so no search can find it. All in the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from retrieval.indexing import frequencies, queue
from retrieval.indexing.generations import generations
from retrieval.indexing.store import lock_chunks, raise_revision, remove_chunks_of
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from tenants.context import TenantLike

# Vectors are texts in it.
_CHUNK_COLUMNS = (
    "id bigint, generation int, ordinal int, text text, heading_path text, start_char int,"
    " end_char int, content_hash text, token_count int, access_level text, embedding text,"
    " terms int[], term_weights text"
)
_CHUNKS_AS_JSON = """
coalesce((
    SELECT jsonb_agg(to_jsonb(chunk) - 'tenant_id' - 'document_id' ORDER BY generation, ordinal)
    FROM retrieval_chunk chunk
    WHERE chunk.tenant_id = %(tenant)s AND chunk.document_id = document.id), '[]')
"""
_KEEP_AND_REMOVE = f"""
UPDATE retrieval_document document SET removed_at = now(), removed_by = %(run)s, stage = '',
    kept_chunks = {_CHUNKS_AS_JSON}
WHERE tenant_id = %(tenant)s AND id = ANY(%(ids)s) AND removed_at IS NULL RETURNING id
"""  # noqa: S608 - of constants
# What makes a document's text. Its name, its access level and who it belongs to are not of it.
_CONTENT = (
    "title", "error_code", "error_message", "content_hash", "indexed_hash", "media_type",
    "size_bytes", "fingerprint", "source_state", "indexed_generation", "markdown", "page_count",
    "chunk_count", "token_count", "indexed_at",
)  # fmt: skip
_KEPT_COLUMNS = (
    "tenant_id", "source_id", "external_id", "path", "access_level", "storage_key", "sync_run_id",
    "sync_action", "uploaded_by", "created_at", "updated_at", *_CONTENT,
)  # fmt: skip
_KEEP_VERSIONS = f"""
INSERT INTO retrieval_document (id, status, stage, removed_at, removed_by, kept_chunks,
    {", ".join(_KEPT_COLUMNS)})
SELECT gen_random_uuid(), 'ready', '', now(), %(run)s, {_CHUNKS_AS_JSON},
    {", ".join(f"document.{name}" for name in _KEPT_COLUMNS)}
FROM retrieval_document document
WHERE tenant_id = %(tenant)s AND id = ANY(%(ids)s) AND removed_at IS NULL
"""  # noqa: S608 - of constants
# A kept version and the row that stands in its place now, if there is one: locked in one order.
_LOCK = """
SELECT kept.id, current.id FROM retrieval_document kept
LEFT JOIN retrieval_document current ON current.tenant_id = kept.tenant_id
    AND current.source_id = kept.source_id AND current.external_id = kept.external_id
    AND current.removed_at IS NULL
WHERE kept.tenant_id = %(tenant)s AND kept.removed_by = %(run)s AND kept.removed_at IS NOT NULL
"""
_LOCK_ROWS = """
SELECT id FROM retrieval_document WHERE tenant_id = %s AND id = ANY(%s) ORDER BY id FOR UPDATE
"""
_MAKE_CURRENT = """
UPDATE retrieval_document SET removed_at = NULL, removed_by = NULL,
    status = CASE WHEN status = 'failed' THEN 'failed' WHEN indexed_hash <> '' THEN 'ready'
        ELSE 'queued' END
WHERE tenant_id = %(tenant)s AND id = ANY(%(kept)s)
"""
_PUT_CONTENT_BACK = f"""
UPDATE retrieval_document document
SET status = 'ready', stage = '', updated_at = now(), {", ".join(f"{name} = kept.{name}" for name in _CONTENT)}
FROM unnest(%(kept)s::uuid[], %(current)s::uuid[]) AS pair (kept_id, current_id)
JOIN retrieval_document kept ON kept.tenant_id = %(tenant)s AND kept.id = kept_id
WHERE document.tenant_id = %(tenant)s AND document.id = current_id
"""  # noqa: S608 - of constants
_INSERT_CHUNKS = f"""
WITH gone AS (
    INSERT INTO retrieval_chunk (id, document_id, generation, ordinal, text, heading_path,
        start_char, end_char, content_hash, token_count, access_level, embedding, terms,
        term_weights)
    SELECT chunk.id, document.id, generation, ordinal, text, heading_path, start_char, end_char,
        chunk.content_hash, chunk.token_count, document.access_level, embedding::halfvec, terms,
        term_weights::sparsevec
    FROM unnest(%(kept)s::uuid[], %(current)s::uuid[]) AS pair (kept_id, current_id)
    JOIN retrieval_document kept ON kept.tenant_id = %(tenant)s AND kept.id = kept_id
    JOIN retrieval_document document ON document.tenant_id = %(tenant)s AND document.id = current_id
    CROSS JOIN LATERAL jsonb_to_recordset(kept.kept_chunks) AS chunk ({_CHUNK_COLUMNS})
    WHERE generation = ANY(%(generations)s)
    RETURNING generation, terms)
{frequencies.COUNT}
"""  # noqa: S608 - of constants
_FORGET = """
UPDATE retrieval_document SET kept_chunks = NULL WHERE tenant_id = %s AND id = ANY(%s)
"""
_DELETE = """
DELETE FROM retrieval_document
WHERE tenant_id = %s AND id = ANY(%s) AND removed_at IS NOT NULL
"""
# Of generations that came meanwhile they have no chunks; and some were never indexed.
_BEHIND = """
SELECT id FROM retrieval_document
WHERE tenant_id = %s AND id = ANY(%s)
    AND (status = 'queued' OR (indexed_hash <> '' AND indexed_generation < %s))
"""
_PURGE = """
DELETE FROM retrieval_document WHERE tenant_id = %(tenant)s AND id IN (
    SELECT id FROM retrieval_document
    WHERE tenant_id = %(tenant)s AND source_id = %(source)s AND removed_at < %(before)s LIMIT 1000)
"""


def keep_and_remove(tenant: TenantLike, document_ids: Sequence[UUID], run_id: UUID) -> int:
    """The documents leave the search. Their jobs have to be removed before: see the order of locks."""
    _run(_LOCK_ROWS, [tenant.id, list(document_ids)])
    names = {"tenant": tenant.id, "ids": list(document_ids), "run": run_id}
    lock_chunks(tenant)
    removed = [row[0] for row in _run(_KEEP_AND_REMOVE, names)]
    remove_chunks_of(tenant, removed)
    return len(removed)


def keep_versions(tenant: TenantLike, document_ids: Sequence[UUID], run_id: UUID) -> None:
    """Copies the locked documents as they are, before they are replaced."""
    _run(_KEEP_VERSIONS, {"tenant": tenant.id, "ids": list(document_ids), "run": run_id})


def bring_back(tenant: TenantLike, run_id: UUID) -> int:
    """What the run deleted is current again, what it replaced has its content back. How many."""
    pairs = _run(_LOCK, {"tenant": tenant.id, "run": run_id})
    _run(_LOCK_ROWS, [tenant.id, sorted({each for pair in pairs for each in pair if each})])
    # Again, now that nobody else changes them.
    pairs = _run(_LOCK, {"tenant": tenant.id, "run": run_id})
    replaced = [pair for pair in pairs if pair[1]]
    deleted = [kept for kept, current in pairs if not current]
    queue.remove_many(tenant, [current for _, current in replaced])
    lock_chunks(tenant)
    remove_chunks_of(tenant, [current for _, current in replaced])
    _run(_MAKE_CURRENT, {"tenant": tenant.id, "kept": deleted})
    _put_back(tenant, [(kept, kept) for kept in deleted], replaced)
    _run(_FORGET, [tenant.id, deleted])
    _run(_DELETE, [tenant.id, [kept for kept, _ in replaced]])
    return len(pairs)


def purge_kept(tenant: TenantLike, source_id: UUID, before: datetime) -> int:
    """For ever: at most a thousand at once. How many."""
    with connection.cursor() as cursor:
        cursor.execute(_PURGE, {"tenant": tenant.id, "source": source_id, "before": before})
        return cursor.rowcount


def _put_back(
    tenant: TenantLike, deleted: Sequence[tuple[UUID, UUID]], replaced: Sequence[tuple[UUID, UUID]]
) -> None:
    made = generations(Tenant.objects.get(pk=tenant.id))
    names = {"tenant": tenant.id, "generations": [each.number for each in made]}
    if replaced:
        _run(_PUT_CONTENT_BACK, names | _columns(replaced))
    pairs = [*deleted, *replaced]
    if not pairs:
        return
    rows = _run(_INSERT_CHUNKS, names | _columns(pairs))
    frequencies.add_frequencies(tenant, frequencies.as_changes(rows, 1))
    ids = [current for _, current in pairs]
    behind = _run(_BEHIND, [tenant.id, ids, max(each.number for each in made)])
    queue.enqueue_many(tenant, [row[0] for row in behind])
    raise_revision(tenant)


def _columns(pairs: Sequence[tuple[UUID, UUID]]) -> dict[str, Any]:
    return {"kept": [kept for kept, _ in pairs], "current": [current for _, current in pairs]}


def _run(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
