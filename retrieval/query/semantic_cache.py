"""Kept answers found by their key or by what their question means.

Nearness alone proves nothing: each candidate has to pass the guards word by word, must not be one of
a pair that somebody called wrong, and is served only after the proof.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from retrieval.providers.per_loop import PerLoop
from retrieval.query.cached_answer import read_cached
from retrieval.query.config_hash import config_hash, exact_key, fold_question, pair_hash
from retrieval.query.guards import may_serve
from retrieval.vectors import as_halfvec, cache_index, distance, of_dimension, read_vector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import numpy as np

    from retrieval.query.cached_answer import CachedAnswer
    from retrieval.query.run import Run
    from tenants.config import TenantConfig
    from tenants.pool import Connection

NEAREST = 16
# Of the nearest, so many at most are compared word by word, and so many admitted to the proof.
MOST_COMPARED, MOST_ADMITTED = 8, 2
# How far an index is searched, where a tenant has one: with less it misses one question in fifty.
INDEX_SECONDS = 60.0
FIND_INDEX = "SELECT to_regclass(%s) IS NOT NULL AS has_index"
SEARCH_INDEX = "SELECT set_config('hnsw.ef_search', '200', true)"
COLUMNS = """
    id, question, key, rewrites, access_levels, corpus_revision, context_fingerprint,
    answer::text AS answer, extract(epoch FROM expires_at - now())::float8 AS seconds_left
"""
VALID = """
    tenant_id = {tenant} AND evicted_at IS NULL AND expires_at > now()
    AND created_at > now() - make_interval(mins => %(minutes)s)
    AND context_levels <@ %(levels)s::varchar[]
"""
BY_KEY = f"""
SELECT {COLUMNS}, NULL::float8 AS distance FROM retrieval_cacheentry
WHERE {VALID} AND key = %(key)s
"""  # noqa: S608 - names of columns
# The limit comes before the threshold, so that an index stops where the nearest are known; all else
# is read of those alone: to write out a vector takes longer than to compare it.
BY_MEANING = f"""
SELECT {COLUMNS}, distance FROM retrieval_cacheentry JOIN (
    SELECT id, {{distance}} AS distance FROM retrieval_cacheentry
    WHERE {VALID} AND config_hash = %(config)s{{indexed}} ORDER BY {{distance}} LIMIT {NEAREST}
) nearest USING (id) WHERE distance <= %(furthest)s
"""  # noqa: S608
EMBEDDING = """
SELECT embedding::text AS embedding FROM retrieval_cacheentry WHERE id = %s AND evicted_at IS NULL
"""
# Few rows have such pairs, and an index of their own.
WRONG_PAIRS = """
SELECT 1 FROM retrieval_cacheentry WHERE tenant_id = {tenant} AND not_for <> '{}'
    AND not_for && ARRAY[%(pair)s]::varchar[] LIMIT 1
"""


# When it was last looked for a tenant's index, and whether there was one.
_indexes: PerLoop[dict[int, tuple[float, bool]]] = PerLoop(dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """`similarity` None: the question is the same."""

    question: str
    similarity: float | None
    entry_id: UUID
    rewrites: tuple[str, ...]
    access_levels: frozenset[str]
    corpus_revision: int
    fingerprint: str
    # JSON, read only if it is served.
    kept: str
    seconds_left: float

    @property
    def answer(self) -> CachedAnswer:
        return read_cached(json.loads(self.kept))

    @property
    def kind(self) -> str:
        """As answers call it: whichever store found it, the same question is an exact hit."""
        return "exact" if self.similarity is None else "semantic"


async def find_candidates(
    connection: Connection, run: Run, vector: np.ndarray | None
) -> list[Candidate]:
    """Those that may be served once they are proven: the same question before others, those of the
    caller's own levels first. Without a vector only the same question is found."""
    tenant = run.caller.tenant
    statement = BY_KEY
    if vector is not None and tenant.query.semantic_cache:
        indexed = await _has_index(connection, tenant)
        if indexed:
            await connection.execute(SEARCH_INDEX)
        near = nearest_statement(tenant.embedding_dimension, indexed=indexed)
        statement = f"{BY_KEY} UNION ALL {near}"
    statement = statement.replace("{tenant}", str(int(tenant.id)))
    cursor = await connection.execute(
        sql.SQL(statement),  # pyright: ignore[reportArgumentType]
        _values(run, vector),
    )
    rows = {row["key"]: row for row in reversed(await cursor.fetchall())}
    found = [_candidate(run.question, row) for row in rows.values()]
    mine = frozenset(run.caller.access_levels)
    found.sort(key=lambda one: (-(one.similarity or 2.0), one.access_levels != mine))
    return await _admit(connection, run, found[:MOST_COMPARED])


def nearest_statement(dimension: int, *, indexed: bool) -> str:
    """The dimension is that of all rows of a configuration: only an index has to be told."""
    condition = f" AND {of_dimension(dimension)}" if indexed else ""
    statement = BY_MEANING.replace("{indexed}", condition)
    return statement.replace("{distance}", distance(dimension, indexed=True))


async def read_embedding(connection: Connection, one: Candidate) -> np.ndarray | None:
    """Of the kept question; None if the entry is gone. Needed only where the proof has to search."""
    row = await (await connection.execute(EMBEDDING, [one.entry_id])).fetchone()
    return read_vector(row["embedding"]) if row else None


async def _admit(connection: Connection, run: Run, found: Sequence[Candidate]) -> list[Candidate]:
    """None is compared that is not needed: the first that holds as it is ends it."""
    admitted: list[Candidate] = []
    for one in found:
        if await _may_serve(connection, run, one):
            admitted.append(one)
            if len(admitted) == MOST_ADMITTED or holds(run, one, connection.corpus_revision):
                break
    return admitted


def holds(run: Run, one: Candidate, revision: int) -> bool:
    """Whether it was last proven for just these levels and documents."""
    return one.corpus_revision == revision and one.access_levels == set(run.caller.access_levels)


async def _has_index(connection: Connection, tenant: TenantConfig) -> bool:
    """As it was a minute ago at most: without the right effort an index only finds somewhat less."""
    known, now = _indexes.get(), time.monotonic()
    found = known.get(tenant.id)
    if found is None or now - found[0] > INDEX_SECONDS:
        name = cache_index(tenant.id, tenant.embedding_dimension)
        row = await (await connection.execute(FIND_INDEX, [name])).fetchone()
        found = known[tenant.id] = (now, bool(row and row["has_index"]))
    return found[1]


def _values(run: Run, vector: np.ndarray | None) -> dict[str, Any]:
    tenant = run.caller.tenant
    return {
        "key": exact_key(run.caller, run.request, run.question),
        "config": config_hash(tenant, run.request),
        "levels": list(run.caller.access_levels),
        "minutes": tenant.query.cache_ttl_minutes,
        "furthest": 1 - tenant.similarity_threshold,
        "vector": None if vector is None else as_halfvec(vector),
    }


def _candidate(question: str, row: dict[str, Any]) -> Candidate:
    is_same = fold_question(row["question"]) == fold_question(question)
    return Candidate(
        question=row["question"],
        similarity=None if is_same else 1 - row["distance"],
        entry_id=row["id"],
        rewrites=tuple(row["rewrites"]),
        access_levels=frozenset(row["access_levels"]),
        corpus_revision=row["corpus_revision"],
        fingerprint=row["context_fingerprint"],
        kept=row["answer"],
        seconds_left=row["seconds_left"],
    )


async def _may_serve(connection: Connection, run: Run, one: Candidate) -> bool:
    if one.similarity is None:
        return True
    if may_serve(run.question, one.question) is not None:
        return False
    statement = WRONG_PAIRS.replace("{tenant}", str(int(run.caller.tenant.id)))
    values = {"pair": pair_hash(run.question, one.question)}
    cursor = await connection.execute(sql.SQL(statement), values)  # pyright: ignore[reportArgumentType]
    return await cursor.fetchone() is None
