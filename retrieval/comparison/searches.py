"""How fast and how well one tenant is searched, and what a connection pays for each further one."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row

from ragadmin.installation import runtime_role
from retrieval.query.request import SearchRequest
from retrieval.query.search import search
from retrieval.vectors import as_halfvec
from tenants.config import Caller
from tenants.context import TENANT_LOCK
from tenants.pool import BEGIN, Connection, close_pool, open_pool, tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.comparison.corpus import Corpus
    from tenants.config import TenantConfig

TOP_K = 10
WARM_UP = 20
# Two neighbours at the same distance may change places by rounding.
SAME_SIMILARITY = 1e-6
# How many tenants one connection visits: more only repeat the figure.
VISITS = 60
VECTORS = """
SELECT embedding::text AS embedding FROM retrieval_chunk WHERE tenant_id = %s AND generation = %s
"""
MEMORY = "SELECT sum(total_bytes)::bigint AS total FROM pg_backend_memory_contexts"


async def measure_search(
    tenant: TenantConfig, reference: TenantConfig, corpus: Corpus, questions: int
) -> dict[str, Any]:
    """Each question in a transaction of its own, one after another, as the read path does it; and
    in turn with the same one to a tenant that stays as it is, so that what else the machine does
    weighs on both."""
    pairs = list(zip(corpus.questions, corpus.question_vectors, strict=True))
    times: dict[str, list[float]] = {"own": [], "reference": []}
    callers = {"own": _caller(tenant), "reference": _caller(reference)}
    await open_pool(size=2)
    try:
        for number, (question, vector) in enumerate(islice(cycle(pairs), WARM_UP + questions)):
            # Who is asked second finds the question's words known: so they take turns.
            for name in ("own", "reference") if number % 2 else ("reference", "own"):
                times[name].append(await _timed_search(callers[name], question, vector))
        recall = await _recall(callers["own"], corpus.question_vectors)
    finally:
        await close_pool()
    own, other = times["own"][WARM_UP:], times["reference"][WARM_UP:]
    return {
        "search_p50_ms": _percentile(own, 50),
        "search_p99_ms": _percentile(own, 99),
        "search_ratio": _percentile(own, 50) / _percentile(other, 50),
        "recall_at_10": recall,
    }


async def measure_connection(tenants: Sequence[TenantConfig], corpus: Corpus) -> dict[str, Any]:
    """The first search in each of many tenants on one new connection: its time, and the memory that
    the backend keeps of it. None without a second tenant, or where memory may not be read."""
    nothing = {"first_search_ms": None, "backend_bytes": None}
    if len(tenants) < 2:
        return nothing
    try:
        async with await _owner_connection() as connection:
            return await _visit(connection, tenants[:VISITS], corpus)
    except InsufficientPrivilege:
        return nothing


async def _visit(
    connection: Connection, tenants: Sequence[TenantConfig], corpus: Corpus
) -> dict[str, Any]:
    question, vector = corpus.questions[0], corpus.question_vectors[0]
    times, memory = [], []
    for number, tenant in enumerate(tenants, start=1):
        start = time.perf_counter()
        await _enter(connection, tenant)
        await search(connection, _caller(tenant), SearchRequest(question, TOP_K), vector)
        await connection.execute("COMMIT")
        times.append((time.perf_counter() - start) * 1000)
        if number in (1, len(tenants)):
            memory.append(await _read_memory(connection))
    kept = (memory[1] - memory[0]) / (len(tenants) - 1)
    return {"first_search_ms": statistics.median(times[1:]), "backend_bytes": max(kept, 0.0)}


async def _owner_connection() -> Connection:
    """Of the owner, who may read the memory of a backend, in the role of the application."""
    values = settings.DATABASES["owner"]
    connection = await Connection.connect(
        host=values["HOST"],
        port=values["PORT"],
        dbname=values["NAME"],
        user=values["USER"],
        password=values["PASSWORD"],
        connect_timeout=5,
        row_factory=dict_row,
        autocommit=True,
        prepare_threshold=None,
    )
    await _become_runtime(connection)
    return connection


async def _become_runtime(connection: Connection) -> None:
    role = sql.Identifier(runtime_role(settings.DATABASES["owner"]["NAME"]))
    await connection.execute(sql.SQL("SET ROLE {}").format(role))


async def _read_memory(connection: Connection) -> int:
    await connection.execute("RESET ROLE")
    row = await (await connection.execute(MEMORY)).fetchone()
    await _become_runtime(connection)
    return row["total"] if row else 0


async def _enter(connection: Connection, tenant: TenantConfig) -> None:
    names = {"lock": sql.Literal(TENANT_LOCK), "id": sql.Literal(tenant.id)}
    cursor = await connection.execute(BEGIN.format(**names))
    while cursor.nextset():
        pass


async def _timed_search(caller: Caller, question: str, vector: np.ndarray) -> float:
    start = time.perf_counter()
    async with tenant_transaction(caller.tenant) as connection:
        await search(connection, caller, SearchRequest(question, TOP_K), vector)
    return (time.perf_counter() - start) * 1000


async def _recall(caller: Caller, questions: np.ndarray) -> float:
    """Of the true ten nearest by comparing all vectors here, the share that the database found."""
    caller = replace(caller, tenant=replace(caller.tenant, min_similarity=-1.0))
    tenant, shares = caller.tenant, []
    async with tenant_transaction(tenant) as connection:
        rows = await (await connection.execute(VECTORS, [tenant.id, tenant.generation])).fetchall()
        stored = _unit(np.array([_parse(row["embedding"]) for row in rows]))
        for question in questions:
            request = SearchRequest("nearest", TOP_K, "vector")
            hits = await search(connection, caller, request, question)
            truth = np.sort(stored @ _unit(_parse(as_halfvec(question))))[::-1][:TOP_K]
            found = [hit for hit in hits if hit.similarity >= truth[-1] - SAME_SIMILARITY]
            shares.append(len(found) / len(truth))
    return float(np.mean(shares))


def _parse(vector: str) -> np.ndarray:
    """With the precision that the database keeps."""
    return np.array(vector.strip("[]").split(","), dtype=np.float16).astype(np.float64)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _caller(tenant: TenantConfig) -> Caller:
    return Caller(tenant, tenant.access_levels, frozenset({"query"}), "isolation comparison")


def _percentile(values: Sequence[float], share: float) -> float:
    return float(np.percentile(values, share))
