"""Chunks as they are searched. ORM for documents, SQL for chunks.

The chunks of documents are swapped in the caller's transaction, which raises the tenant's
`corpus_revision`: a reader sees the old text or the new, never half. A passage that is still there
keeps its row, its id and its vector.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import F

from retrieval.indexing import frequencies
from retrieval.indexing.binary import execute, half_vectors, integers, sparse_vectors
from retrieval.indexing.difference import Row, compare
from retrieval.indexing.generations import generations
from retrieval.indexing.weights import weigh
from retrieval.terms import TOTAL_TERM, term_counts, typical_length
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    import numpy as np

    from retrieval.indexing.difference import DocumentText
    from retrieval.indexing.generations import Generation
    from retrieval.indexing.weights import Weights
    from retrieval.terms import TermCounts
    from retrieval.types import Passage
    from tenants.context import TenantLike

    # A passage, its document and its hash.
    New = tuple[DocumentText, Passage, str]

# Each statement names the tenant beside row-level security, so that the planner sees one partition.
# The first half of an advisory lock's key: one tenant's chunks change one transaction after another.
_LOCK_SPACE = 0x7261
# Big documents go in slices, so that no statement holds hundreds of megabytes.
_SLICE = 2_000

_KNOWN = """
SELECT DISTINCT content_hash FROM retrieval_chunk
WHERE tenant_id = %s AND content_hash = ANY(%s) AND generation = ANY(%s)
    AND vector_dims(embedding) = %s
"""
_EXISTING = """
SELECT document_id, id, content_hash, heading_path, ordinal, start_char, end_char, access_level
FROM retrieval_chunk
WHERE tenant_id = %s AND document_id = ANY(%s) AND generation = %s ORDER BY document_id, ordinal
"""
# Rows that go and rows that move make room first: a place is unique at every moment.
_STEP_ASIDE = """
UPDATE retrieval_chunk SET ordinal = -1 - ordinal WHERE tenant_id = %s AND id = ANY(%s)
"""
_MOVE = """
UPDATE retrieval_chunk chunk SET ordinal = new.ordinal, start_char = new.start_char,
    end_char = new.end_char, access_level = new.access_level
FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::text[])
    AS new(id, ordinal, start_char, end_char, access_level)
WHERE chunk.tenant_id = %s AND chunk.id = new.id
"""
# Terms come in one array for all rows. A vector that is not given is that of the same text.
_INSERT = """
INSERT INTO retrieval_chunk (generation, document_id, access_level, ordinal, text, heading_path,
    start_char, end_char, content_hash, token_count, terms, term_weights, embedding)
SELECT %b::int, document_id, access_level, ordinal, text, heading_path, start_char, end_char,
    content_hash, token_count, every.terms[first_term:last_term], term_weights, {embedding}
FROM (SELECT %b::int[] AS terms) AS every,
    unnest(%b::uuid[], %b::text[], %b::int[], %b::text[], %b::text[], %b::int[], %b::int[],
        %b::text[], %b::int[], %b::int[], %b::int[], %b{vectors})
    AS new(document_id, access_level, ordinal, text, heading_path, start_char, end_char,
        content_hash, token_count, first_term, last_term, term_weights{column})
"""
_INSERT_NEW = _INSERT.format(embedding="embedding", vectors=", %b", column=", embedding")
_INSERT_COPIES = _INSERT.format(
    embedding="""(
        SELECT known.embedding FROM retrieval_chunk known
        WHERE known.tenant_id = %b::bigint AND known.content_hash = new.content_hash
            AND known.generation = ANY(%b::int[]) AND vector_dims(known.embedding) = %b::int
        LIMIT 1)""",
    vectors="",
    column="",
)
_DELETE = f"""
WITH gone AS (
    DELETE FROM retrieval_chunk WHERE tenant_id = %s AND id = ANY(%s)
    RETURNING generation, terms)
{frequencies.COUNT}
"""  # noqa: S608 - of constants
_DELETE_OF_DOCUMENTS = f"""
WITH gone AS (
    DELETE FROM retrieval_chunk WHERE tenant_id = %s AND document_id = ANY(%s)
    RETURNING generation, terms)
{frequencies.COUNT}
"""  # noqa: S608 - of constants
_SET_ACCESS_LEVEL = """
UPDATE retrieval_chunk SET access_level = %s WHERE tenant_id = %s AND document_id = ANY(%s)
"""


class VectorGone(Exception):
    """A text whose vector was to be copied left the tenant meanwhile: it has to be embedded."""


def find_known(tenant: Tenant, generation: Generation, hashes: Iterable[str]) -> set[str]:
    """Texts of which the tenant has a vector of the generation's model."""
    values = [
        tenant.id,
        list(set(hashes)),
        _same_model(tenant, generation),
        generation.embedding_dimension,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, values)
        return {row[0] for row in cursor.fetchall()}


def replace_chunks(
    tenant: Tenant,
    generation: Generation,
    texts: Sequence[DocumentText],
    vectors: Mapping[str, np.ndarray],
    counts: Mapping[str, TermCounts] | None = None,
) -> None:
    """Makes the (locked) documents' chunks of the generation those given.

    `vectors` by `hash_passage`; what is missing in them is copied from the same text.
    `counts` likewise, as far as they were counted before the tenant was locked. Raises VectorGone.
    The caller raises the revision when all generations are stored.
    """
    lock_chunks(tenant)
    difference = compare(texts, _read_existing(tenant, generation, texts))
    if difference.leaving:
        _run(_STEP_ASIDE, [tenant.id, difference.leaving])
    change: Counter[int] = Counter()
    for rows in _slices(difference.new):
        change.update(_insert(tenant, generation, rows, vectors, counts or {}))
    if difference.gone:
        rows = _run(_DELETE, [tenant.id, difference.gone])
        change.update(frequencies.as_changes(rows, -1).get(generation.number, {}))
    for moved in _slices(difference.moved):
        _run(_MOVE, [*_columns(moved), tenant.id])
    frequencies.add_frequencies(tenant, {generation.number: change})


def remove_chunks(tenant: TenantLike, document_id: UUID) -> None:
    remove_chunks_of(tenant, [document_id])


def remove_chunks_of(tenant: TenantLike, document_ids: Sequence[UUID]) -> None:
    """Of all generations."""
    lock_chunks(tenant)
    rows = _run(_DELETE_OF_DOCUMENTS, [tenant.id, list(document_ids)])
    frequencies.add_frequencies(tenant, frequencies.as_changes(rows, -1))
    raise_revision(tenant)


def set_access_level(tenant: TenantLike, document_id: UUID, access_level: str) -> None:
    set_access_levels(tenant, [document_id], access_level)


def set_access_levels(tenant: TenantLike, document_ids: Sequence[UUID], access_level: str) -> None:
    """Of the same texts: they stay searchable, from now on for other people."""
    lock_chunks(tenant)
    _run(_SET_ACCESS_LEVEL, [access_level, tenant.id, list(document_ids)])
    raise_revision(tenant)


def lock_chunks(tenant: TenantLike) -> None:
    _run("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_SPACE, tenant.id])


def raise_revision(tenant: TenantLike) -> None:
    Tenant.objects.filter(pk=tenant.id).update(corpus_revision=F("corpus_revision") + 1)


def _same_model(tenant: Tenant, generation: Generation) -> list[int]:
    """Generations whose vectors are as good: a change of the chunks' size keeps the model."""
    model = (generation.embedding_model, generation.embedding_dimension)
    others = generations(tenant)
    same = [
        each.number for each in others if (each.embedding_model, each.embedding_dimension) == model
    ]
    return [generation.number, *same]


def _read_existing(
    tenant: Tenant, generation: Generation, texts: Sequence[DocumentText]
) -> Mapping[UUID, list[Row]]:
    ids = [text.document_id for text in texts]
    existing: dict[UUID, list[Row]] = defaultdict(list)
    for document_id, *row in _run(_EXISTING, [tenant.id, ids, generation.number]):
        existing[document_id].append(Row(*row))
    return existing


def _insert(
    tenant: Tenant,
    generation: Generation,
    rows: Sequence[New],
    vectors: Mapping[str, np.ndarray],
    counts: Mapping[str, TermCounts],
) -> Counter[int]:
    """Returns in how many of the chunks each term stands."""
    own = [row for row in rows if row[2] in vectors]
    copied = [row for row in rows if row[2] not in vectors]
    change: Counter[int] = Counter({TOTAL_TERM: len(rows)})
    if own:
        weights, columns = _as_columns(generation, own, counts)
        columns.append(half_vectors([vectors[row[2]] for row in own]))
        execute(_INSERT_NEW, [generation.number, *columns])
        change += weights.count_texts()
    if copied:
        weights, columns = _as_columns(generation, copied, counts)
        _insert_copies(tenant, generation, {row[2] for row in copied}, columns)
        change += weights.count_texts()
    return change


def _insert_copies(
    tenant: Tenant, generation: Generation, hashes: set[str], columns: list[Any]
) -> None:
    if find_known(tenant, generation, hashes) != hashes:
        raise VectorGone
    same = [tenant.id, _same_model(tenant, generation), generation.embedding_dimension]
    execute(_INSERT_COPIES, [generation.number, *same, *columns])


def _as_columns(
    generation: Generation, rows: Sequence[New], counts: Mapping[str, TermCounts]
) -> tuple[Weights, list[Any]]:
    passages = [passage for _, passage, _ in rows]
    counted = [counts.get(key) or term_counts(passage.embedded_text) for _, passage, key in rows]
    weights = weigh(counted, typical_length(generation.chunk_tokens))
    columns: list[Any] = [
        integers(weights.terms),
        [text.document_id for text, _, _ in rows],
        [text.access_level for text, _, _ in rows],
        integers([passage.ordinal for passage in passages]),
        [passage.text for passage in passages],
        [passage.heading_path for passage in passages],
        integers([passage.start_char for passage in passages]),
        integers([passage.end_char for passage in passages]),
        [key for _, _, key in rows],
        integers([passage.token_count for passage in passages]),
        integers(weights.starts[:-1] + 1),
        integers(weights.starts[1:]),
        sparse_vectors(weights),
    ]
    return weights, columns


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _slices(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), _SLICE):
        yield rows[start : start + _SLICE]


def _run(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
