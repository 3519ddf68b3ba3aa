"""Hybrid search in one statement: vector order and BM25 order, fused by reciprocal rank.

Access levels are part of the statement, and row-level security of the table: a chunk that the
caller may not read is never ranked, so it cannot shift the ranks of others either. The tenant is
named beside row-level security, so that the planner sees one partition of the table. Only the
generation of chunks that the caller's settings belong to is searched, never one being made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from psycopg import sql

from retrieval.terms import TOTAL_TERM, as_sparsevec, term_counts
from retrieval.types import Hit
from retrieval.vectors import as_halfvec, distance

if TYPE_CHECKING:
    import numpy as np

    from retrieval.query.request import SearchRequest
    from tenants.config import Caller
    from tenants.pool import Connection

CANDIDATES = 50
RRF_K = 60  # Cormack, Clarke and Büttcher 2009
# The keyword side ranks the rows that hold the question's rarest terms, about this many at most:
# measured to keep 0.999 of the true BM25 top ten at 10,000 chunks.
KEYWORD_ROWS = 2_000
# A hit below the similarity floor stays if it holds this share of what the question's words weigh.
KEYWORD_SHARE = 0.5

# Goes on along the index until enough rows pass the filters.
SEARCH_INDEX = """
SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true)
"""
FREQUENCIES = """
SELECT term, chunks FROM retrieval_termfrequency
WHERE tenant_id = %s AND generation = %s AND term = ANY(%s)
"""
HYBRID = """
WITH vector_hits AS (
    SELECT id, row_number() OVER (ORDER BY distance, id) AS place
    FROM (
        SELECT id, {distance} AS distance FROM retrieval_chunk
        WHERE tenant_id = %(tenant)s AND generation = %(generation)s
            AND access_level = ANY(%(levels)s) {filters}
        ORDER BY distance LIMIT %(vector_rows)s
    ) nearest
), keyword_hits AS (
    SELECT id, weight, row_number() OVER (ORDER BY weight DESC, id) AS place
    FROM (
        SELECT id, -(term_weights <#> %(weights)s::sparsevec) AS weight FROM retrieval_chunk
        WHERE tenant_id = %(tenant)s AND generation = %(generation)s
            AND terms && %(terms)s::integer[] AND access_level = ANY(%(levels)s) {filters}
        ORDER BY weight DESC LIMIT %(candidates)s
    ) heaviest
), fused AS (
    SELECT id, coalesce(weight, 0) AS weight, v.place AS vector_place, k.place AS keyword_place,
        coalesce(1.0 / (%(rrf)s + v.place), 0) + coalesce(1.0 / (%(rrf)s + k.place), 0) AS score
    FROM vector_hits v FULL JOIN keyword_hits k USING (id)
    ORDER BY score DESC, id LIMIT %(top_k)s
)
SELECT c.id, c.document_id, d.path, c.heading_path, c.text, c.access_level, c.ordinal, c.content_hash,
    f.score::float, f.weight, f.vector_place, f.keyword_place, 1 - (c.embedding <=> %(vector)s::halfvec) AS similarity
FROM fused f JOIN retrieval_chunk c ON c.tenant_id = %(tenant)s AND c.id = f.id
JOIN retrieval_document d ON d.id = c.document_id
ORDER BY f.score DESC, c.id
"""
FILTER_CLAUSES = {
    "document_id": sql.SQL("AND document_id = %(document_id)s"),
    "access_level": sql.SQL("AND access_level = %(access_level)s"),
    "source": sql.SQL(
        "AND document_id IN (SELECT e.id FROM retrieval_document e "
        "JOIN retrieval_source s ON s.id = e.source_id WHERE s.name = %(source)s)"
    ),
    "path_prefix": sql.SQL(
        "AND document_id IN (SELECT e.id FROM retrieval_document e "
        "WHERE starts_with(e.path, %(path_prefix)s))"
    ),
}


async def search(
    connection: Connection, caller: Caller, request: SearchRequest, vector: np.ndarray
) -> list[Hit]:
    """At most `request.top_k` hits, best first; none when nothing is near enough to the question.

    `connection` must be in a tenant_transaction of the caller's tenant.
    """
    weights, rarest, heaviest = await _term_weights(connection, caller, request.question)
    parameters: dict[str, Any] = {
        "tenant": caller.tenant.id,
        "generation": caller.tenant.generation,
        "vector": as_halfvec(vector),
        "weights": as_sparsevec(weights),
        "terms": [] if request.mode == "vector" else rarest,
        "levels": list(caller.access_levels),
        "vector_rows": 0 if request.mode == "keyword" else CANDIDATES,
        "candidates": CANDIDATES,
        "rrf": RRF_K,
        "top_k": request.top_k,
        **dict(request.filters),
    }
    clauses = sql.SQL(" ").join(FILTER_CLAUSES[name] for name, _ in request.filters)
    tenant = caller.tenant
    nearest = distance(tenant.embedding_dimension, indexed=tenant.hnsw_ef > 0)
    statement = sql.SQL(HYBRID).format(filters=clauses, distance=sql.SQL(nearest))  # pyright: ignore[reportArgumentType]
    if tenant.hnsw_ef:
        await connection.execute(SEARCH_INDEX, [str(tenant.hnsw_ef)])
    rows = await (await connection.execute(statement, parameters)).fetchall()
    near = [
        row
        for row in rows
        if row["similarity"] >= caller.tenant.min_similarity
        or (heaviest and row["weight"] >= KEYWORD_SHARE * heaviest)
    ]
    return [_hit(row, rank) for rank, row in enumerate(near, start=1)]


async def _term_weights(
    connection: Connection, caller: Caller, question: str
) -> tuple[dict[int, float], list[int], float]:
    """BM25's inverse document frequencies of the question's terms; the rarest that together stay
    under KEYWORD_ROWS rows; and the weight of a chunk of usual length that holds each term once."""
    counts = term_counts(question)
    tenant = caller.tenant
    parameters = [tenant.id, tenant.generation, [*counts, TOTAL_TERM]]
    rows = await (await connection.execute(FREQUENCIES, parameters)).fetchall()
    found = {row["term"]: row["chunks"] for row in rows}
    total = found.pop(TOTAL_TERM, 0)
    weights = {term: math.log(1 + (total - n + 0.5) / (n + 0.5)) for term, n in found.items()}
    rarest: list[int] = []
    budget = KEYWORD_ROWS
    for term in sorted(found, key=lambda term: (found[term], term)):
        if rarest and found[term] > budget:
            break
        rarest.append(term)
        budget -= found[term]
    unseen = math.log(1 + (total + 0.5) / 0.5) if total else 0.0
    heaviest = sum(weights.get(term, unseen) for term in counts)
    return weights, rarest, heaviest


def _hit(row: dict[str, Any], rank: int) -> Hit:
    return Hit(
        chunk_id=row["id"],
        document_id=str(row["document_id"]),
        path=row["path"],
        heading_path=row["heading_path"],
        text=row["text"],
        score=row["score"],
        similarity=row["similarity"],
        access_level=row["access_level"],
        rank=rank,
        ordinal=row["ordinal"],
        content_hash=row["content_hash"],
        vector_place=row["vector_place"],
        keyword_place=row["keyword_place"],
    )
