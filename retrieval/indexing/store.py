"""Chunks as they are searched. ORM for documents, SQL for chunks.

One document's chunks are swapped in the caller's transaction, which raises the tenant's
`corpus_revision`: a reader sees the old text or the new, never half.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import F

from retrieval.terms import (
    TOTAL_TERM,
    as_sparsevec,
    saturated_frequencies,
    term_counts,
    typical_length,
)
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from retrieval.models import Document
    from retrieval.types import Passage
    from tenants.config import TenantConfig

    AnyTenant = Tenant | TenantConfig

# Each statement names the tenant beside row-level security, so that the planner sees one partition.
# The first half of an advisory lock's key: term frequencies of one tenant change one after another.
_LOCK_SPACE = 0x7261
# Big documents go in slices, so that no statement holds hundreds of megabytes.
_SLICE = 2_000

_INSERT = """
INSERT INTO retrieval_chunk (document_id, access_level, ordinal, text, heading_path, start_char,
    end_char, content_hash, token_count, embedding, terms, term_weights)
SELECT %s, %s, ordinal, text, heading_path, start_char, end_char, content_hash, token_count,
    embedding::halfvec, terms::integer[], term_weights::sparsevec
FROM unnest(%s::int[], %s::text[], %s::text[], %s::int[], %s::int[], %s::text[], %s::int[],
    %s::text[], %s::text[], %s::text[])
AS new(ordinal, text, heading_path, start_char, end_char, content_hash, token_count,
    embedding, terms, term_weights)
"""
_COUNT_OLD_TERMS = """
SELECT term, count(*) FROM retrieval_chunk, unnest(terms) AS term
WHERE tenant_id = %(tenant)s AND document_id = %(document)s GROUP BY term
UNION ALL SELECT %(total)s, count(*) FROM retrieval_chunk
WHERE tenant_id = %(tenant)s AND document_id = %(document)s
"""
_ADD_FREQUENCIES = """
INSERT INTO retrieval_termfrequency AS old (term, chunks)
SELECT * FROM unnest(%s::int[], %s::int[]) AS new(term, chunks) ORDER BY 1
ON CONFLICT (tenant_id, term) DO UPDATE SET chunks = old.chunks + EXCLUDED.chunks
"""
_VECTORS = """
SELECT DISTINCT ON (content_hash) content_hash, embedding::text FROM retrieval_chunk
WHERE tenant_id = %s AND content_hash = ANY(%s) AND vector_dims(embedding) = %s
"""


def hash_passage(passage: Passage) -> str:
    return hashlib.sha256(passage.embedded_text.encode()).hexdigest()


def find_vectors(tenant: AnyTenant, hashes: Sequence[str], dimension: int) -> dict[str, str]:
    """Vectors that the tenant already has for the same text, in pgvector's text form."""
    with connection.cursor() as cursor:
        cursor.execute(_VECTORS, [tenant.id, list(set(hashes)), dimension])
        return dict(cursor.fetchall())


def replace_chunks(
    tenant: AnyTenant, document: Document, passages: Sequence[Passage], vectors: Mapping[str, str]
) -> None:
    """Swaps all chunks of the (locked) document. `vectors` by `hash_passage`."""
    lock_chunks(tenant)
    change = _remove(tenant, document.pk)
    length = typical_length(tenant.chunk_tokens)
    for start in range(0, len(passages), _SLICE):
        change.update(_insert(document, passages[start : start + _SLICE], vectors, length))
    _add_frequencies(tenant, change)
    raise_revision(tenant)


def remove_chunks(tenant: AnyTenant, document_id: UUID) -> None:
    lock_chunks(tenant)
    _add_frequencies(tenant, _remove(tenant, document_id))
    raise_revision(tenant)


def set_access_level(tenant: AnyTenant, document_id: UUID, access_level: str) -> None:
    """Of the same text: it stays searchable, from now on for other people."""
    lock_chunks(tenant)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE retrieval_chunk SET access_level = %s WHERE tenant_id = %s AND document_id = %s",
            [access_level, tenant.id, document_id],
        )
    raise_revision(tenant)


def lock_chunks(tenant: AnyTenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_SPACE, tenant.id])


def raise_revision(tenant: AnyTenant) -> None:
    Tenant.objects.filter(pk=tenant.id).update(corpus_revision=F("corpus_revision") + 1)


def _remove(tenant: AnyTenant, document_id: UUID) -> Counter[int]:
    """Deletes the chunks; returns by how much each term's count changes."""
    with connection.cursor() as cursor:
        names = {"tenant": tenant.id, "document": document_id, "total": TOTAL_TERM}
        cursor.execute(_COUNT_OLD_TERMS, names)
        change = Counter({term: -chunks for term, chunks in cursor.fetchall()})
        cursor.execute(
            "DELETE FROM retrieval_chunk WHERE tenant_id = %s AND document_id = %s",
            [tenant.id, document_id],
        )
    return change


def _insert(
    document: Document, passages: Sequence[Passage], vectors: Mapping[str, str], length: float
) -> Counter[int]:
    hashes = [hash_passage(passage) for passage in passages]
    weights = [
        saturated_frequencies(term_counts(passage.embedded_text), length) for passage in passages
    ]
    columns = [
        [passage.ordinal for passage in passages],
        [passage.text for passage in passages],
        [passage.heading_path for passage in passages],
        [passage.start_char for passage in passages],
        [passage.end_char for passage in passages],
        hashes,
        [passage.token_count for passage in passages],
        [vectors[key] for key in hashes],
        [_as_array(each) for each in weights],
        [as_sparsevec(each) for each in weights],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [document.pk, document.access_level, *columns])
    change = Counter(term for each in weights for term in each)
    change[TOTAL_TERM] = len(passages)
    return change


def _as_array(terms: Iterable[int]) -> str:
    return "{" + ",".join(map(str, sorted(terms))) + "}"


def _add_frequencies(tenant: AnyTenant, change: Mapping[int, int]) -> None:
    kept = {term: delta for term, delta in change.items() if delta}
    fewer = [term for term, delta in kept.items() if delta < 0]
    with connection.cursor() as cursor:
        cursor.execute(_ADD_FREQUENCIES, [list(kept), list(kept.values())])
        cursor.execute(
            "DELETE FROM retrieval_termfrequency"
            " WHERE tenant_id = %s AND term = ANY(%s) AND chunks <= 0",
            [tenant.id, fewer],
        )
