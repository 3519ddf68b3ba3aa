"""Hybrid search in one statement: what is near in meaning, and what holds the question's words.

Each side names its best chunks. For all of these both the cosine similarity and the BM25 weight are
computed, and their weighted sum is the order. On six sets of questions that finds more than
reciprocal ranks do (benchmarks/search_quality.py): a rank does not say by how much it was won.

Access levels are part of the statement, and row-level security of the table: a chunk that the
caller may not read is never ranked, so it cannot shift the ranks of others either. The tenant is
named beside row-level security, so that the planner sees one partition of the table. Only the
generation of chunks that the caller's settings belong to is searched, never one being made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg import sql

from retrieval.query.context import Nearest
from retrieval.query.keywords import read_keywords
from retrieval.query.search_statement import Probe, compose, values
from retrieval.terms import term_counts
from retrieval.types import Hit
from retrieval.vectors import read_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.query.keywords import Keywords
    from retrieval.query.request import SearchRequest
    from tenants.config import Caller, TenantConfig
    from tenants.pool import Connection

__all__ = ["Probe", "find_nearest", "search"]

# So much more than the tenant's least similarity the best hit has to reach, by its words or by
# being more similar: among ten times as many passages one comes nearer by chance by the second figure.
# Measured on four sets of 800 to 14,000 passages: at most 0.2 % of what is found is withheld, and of
# questions of another world 0 to 13 % are not told from others (benchmarks/search_quality.py).
EVIDENCE, EVIDENCE_PER_TENFOLD = 0.25, 0.08
EVIDENCE_FROM = 500
# Where there is no vector: the share of the question's words that one of the first hits has to hold.
WORDS_ALONE, READ_FOR_WORDS = 0.5, 3
# Goes on along the index until enough rows pass the filters. Reading all rows of so many is always
# dearer than going by the terms' index, which the planner does not always see.
SEARCH_INDEX = """
SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('enable_seqscan', 'off', true)
"""


async def search(
    connection: Connection,
    caller: Caller,
    request: SearchRequest,
    probes: Sequence[Probe] | np.ndarray,
    *,
    embeddings: bool = False,
) -> list[Hit]:
    """At most `request.top_k` hits, best first; none when nothing is near enough to the question."""
    if isinstance(probes, np.ndarray):
        probes = [Probe(request.question, probes)]
    found = await find_nearest(connection, caller, request, probes, embeddings=embeddings)
    return found.hits if found.is_near else []


async def find_nearest(
    connection: Connection,
    caller: Caller,
    request: SearchRequest,
    probes: Sequence[Probe],
    *,
    embeddings: bool = False,
) -> Nearest:
    """At most `request.top_k` hits, best first.

    The first probe is the question, the others are rewrites of it. `embeddings`: hits carry theirs.
    `connection` must be in a tenant_transaction of the caller's tenant.
    """
    tenant = caller.tenant
    # One document's chunks are few, however common the words are.
    is_narrow = any(name == "document_id" for name, _ in request.filters)
    questions = [probe.question for probe in probes]
    keywords = await read_keywords(connection, tenant, questions, all_terms=is_narrow)
    statement = compose(tenant, request, keywords, embeddings=embeddings)
    if not statement:
        return Nearest([], is_near=False, corpus_revision=connection.corpus_revision)
    if tenant.hnsw_ef and request.mode != "keyword":
        await connection.execute(SEARCH_INDEX, [str(tenant.hnsw_ef)])
    cursor = await connection.execute(
        sql.SQL(statement),  # pyright: ignore[reportArgumentType]
        values(caller, request, probes, keywords),
    )
    rows = await cursor.fetchall()
    hits = [_hit(row, n) for n, row in enumerate(rows, start=1)]
    best, needed, by_words = _weigh(tenant, rows, keywords[0])
    # A least similarity of 0 asks nothing.
    is_near = tenant.min_similarity <= 0 or best >= needed
    total = keywords[0].total
    return Nearest(hits, is_near, connection.corpus_revision, total, best, needed, by_words)


def _weigh(
    tenant: TenantConfig, rows: Sequence[dict[str, Any]], words: Keywords
) -> tuple[float, float, bool]:
    """What the best has, what is needed, and whether that is a share of the words alone."""
    if any(row["evidence"] is None for row in rows):
        shares = [_share_held(words, row) for row in rows[:READ_FOR_WORDS]]
        return max(shares), WORDS_ALONE, True
    best = max((row["evidence"] for row in rows), default=0.0)
    return best, tenant.min_similarity + evidence_needed(words.total), False


def _share_held(words: Keywords, row: dict[str, Any]) -> float:
    shares = words.shares(is_damped=True)
    held = term_counts(f"{row['heading_path']} {row['text']}")
    return sum(share for term, share in shares.items() if term in held)


def evidence_needed(total: int) -> float:
    """Of the best of so many passages, beyond the least similarity."""
    tenfolds = math.log10(max(total, EVIDENCE_FROM) / EVIDENCE_FROM)
    return EVIDENCE + EVIDENCE_PER_TENFOLD * tenfolds


def _hit(row: dict[str, Any], rank: int) -> Hit:
    embedding = row.get("embedding")
    return Hit(
        chunk_id=row["id"],
        document_id=str(row["document_id"]),
        path=row["path"],
        heading_path=row["heading_path"],
        text=row["text"],
        score=row["score"],
        similarity=row["similarity"] or 0.0,
        access_level=row["access_level"],
        rank=rank,
        ordinal=row["ordinal"],
        content_hash=row["content_hash"],
        vector_place=row["vector_place"],
        keyword_place=row["keyword_place"],
        embedding=None if embedding is None else read_vector(embedding),
    )
