"""What a search costs the database, how much of the truth it finds, and what the endpoint adds.

CPU is the backend's own. The keyword side is held against BM25 computed over all chunks in this
process, the vector side against all vectors.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from benchmarks.common import report, temporary_folder
from benchmarks.database import database
from benchmarks.search_corpus import Material, fill, material

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (10_000, 100_000)
GOAL_CPU_MS = {10_000: 4.0, 100_000: 12.0}
QUESTIONS = 200
WARM_UP = 50
REPEATS = 3
NEAREST = 10
MODES = ("vector", "keyword", "hybrid")
CHUNKS = """
SELECT id, embedding::text, term_weights::text
FROM retrieval_chunk WHERE tenant_id = %s AND id > %s ORDER BY id LIMIT 5000
"""


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    with temporary_folder() as folder, database(folder):
        made = material(QUESTIONS)
        rows = [measure(made, size) for size in sizes]
    report(
        "search_cost",
        rows,
        goal="hybrid at most 4 ms of database CPU at 10,000 chunks and 12 ms at 100,000; 0.99 of the"
        " BM25 top ten kept; recall@10 of vectors at least 0.95",
        reached=all(
            row["hybrid_cpu_ms"] <= GOAL_CPU_MS.get(row["chunks"], 12.0)
            and row["bm25_kept"] >= 0.99
            and row["recall_at_10"] >= 0.95
            for row in rows
        ),
    )


def measure(made: Material, size: int) -> dict[str, Any]:
    from retrieval.indexing import vector_index
    from tenants.access import tenant_config
    from tenants.config import Caller
    from tenants.services import create_tenant

    tenant = create_tenant(slug=f"cost-{size}")
    fill(tenant, made, size)
    vacuum(tenant)
    tenant = vector_index.tune(tenant)
    caller = Caller(tenant_config(tenant), tuple(tenant.access_levels), frozenset(), "benchmark")
    truth = read_truth(tenant, made)
    row: dict[str, Any] = {"chunks": size, "effort": tenant.hnsw_ef}
    return row | asyncio.run(_measure(made, caller, truth))


def vacuum(tenant: Any) -> None:
    from tenants.schema import owner

    with owner().cursor() as cursor:
        for table in ("retrieval_chunk_default", "retrieval_termfrequency", "retrieval_document"):
            cursor.execute(f'VACUUM ANALYZE "{tenant.schema_name}".{table}')


def read_truth(tenant: Any, made: Material) -> dict[str, list[set[int]]]:
    """The ten best of each question by BM25 and by similarity, ties of the tenth included."""
    asked = question_weights(tenant, made.questions)
    ids, vectors, held = read_chunks(tenant, {term for idf in asked for term in idf})
    near = made.question_vectors @ vectors.T
    return {
        "keyword": [_best(ids, _weights(idf, held, len(ids))) for idf in asked],
        "vector": [_best(ids, scores) for scores in near],
    }


def read_chunks(
    tenant: Any, terms: set[str]
) -> tuple[np.ndarray, np.ndarray, dict[str, list[tuple[int, float]]]]:
    """Ids and vectors of all chunks; by term, which of them hold it and at what weight."""
    from django.db import connection

    from retrieval.vectors import read_vector
    from tenants.context import tenant_context

    ids: list[int] = []
    vectors: list[np.ndarray] = []
    held: dict[str, list[tuple[int, float]]] = {term: [] for term in terms}
    with tenant_context(tenant), connection.cursor() as cursor:
        while True:
            cursor.execute(CHUNKS, [tenant.pk, ids[-1] if ids else 0])
            rows = cursor.fetchall()
            if not rows:
                break
            for chunk, embedding, weights in rows:
                for pair in weights[1 : weights.index("}")].split(","):
                    term, _, weight = pair.partition(":")
                    if term in held:
                        held[term].append((len(ids), float(weight)))
                ids.append(chunk)
                vectors.append(read_vector(embedding))
    return np.array(ids), np.stack(vectors), held


def _weights(
    idf: dict[str, float], held: dict[str, list[tuple[int, float]]], chunks: int
) -> np.ndarray:
    scores = np.zeros(chunks)
    for term, weight in idf.items():
        rows, values = np.array(held[term]).T
        scores[rows.astype(int)] += weight * values
    return scores


def question_weights(tenant: Any, questions: Sequence[str]) -> list[dict[str, float]]:
    from retrieval.models import TermFrequency
    from retrieval.query.keywords import weigh
    from retrieval.terms import TOTAL_TERM, term_counts
    from tenants.context import tenant_context

    with tenant_context(tenant):
        known = dict(TermFrequency.objects.values_list("term", "chunks"))
    total = known.pop(TOTAL_TERM)
    weighed = [weigh(tuple(term_counts(text)), known, total) for text in questions]
    return [{str(term): idf for term, idf in words.idf.items()} for words in weighed]


def _best(ids: np.ndarray, scores: np.ndarray) -> set[int]:
    tenth = np.partition(scores, -NEAREST)[-NEAREST]
    return set(ids[scores >= tenth - 1e-4 * abs(tenth)].tolist())


async def _measure(made: Material, caller: Any, truth: dict[str, list[set[int]]]) -> dict[str, Any]:
    from tenants.pool import close_pool, open_pool

    row: dict[str, Any] = {}
    await open_pool(size=1)
    try:
        for mode in MODES:
            found = [await ask(made, caller, n, mode, NEAREST) for n in range(len(made.questions))]
            if mode in truth:
                name = "bm25_kept" if mode == "keyword" else "recall_at_10"
                row[name] = _kept(truth[mode], [ids for ids, _ in found])
            row[f"{mode}_cpu_ms"] = await _cpu_ms(made, caller, mode, found[0][1])
    finally:
        await close_pool()
    return row


async def ask(
    made: Material, caller: Any, number: int, mode: Any, top_k: int
) -> tuple[list[int], int]:
    """The chunks that were found, and the backend that found them."""
    from dataclasses import replace

    from retrieval.query.request import SearchRequest
    from retrieval.query.search import Probe, search
    from tenants.pool import tenant_transaction

    caller = replace(caller, tenant=replace(caller.tenant, min_similarity=0.0))
    question = made.questions[number % len(made.questions)]
    probe = Probe(question, made.question_vectors[number % len(made.questions)])
    async with tenant_transaction(caller.tenant) as connection:
        request = SearchRequest(question, top_k=top_k, mode=mode)
        hits = await search(connection, caller, request, [probe])
        return [hit.chunk_id for hit in hits], connection.info.backend_pid


async def _cpu_ms(made: Material, caller: Any, mode: str, backend: int) -> float:
    """The least of some rounds: what else the machine does only adds to it."""
    for number in range(WARM_UP):
        await ask(made, caller, number, mode, 5)
    rounds = []
    for _ in range(REPEATS):
        before = _cpu_seconds(backend)
        for number in range(len(made.questions)):
            await ask(made, caller, number, mode, 5)
        rounds.append((_cpu_seconds(backend) - before) / len(made.questions) * 1000)
    return min(rounds)


def _cpu_seconds(backend: int) -> float:
    times = psutil.Process(backend).cpu_times()
    return times.user + times.system


def _kept(truth: Sequence[set[int]], found: Sequence[Sequence[int]]) -> float:
    """The share of what was found that belongs to the true ten."""
    shares = [
        len(set(ids[:NEAREST]) & best) / min(NEAREST, len(best))
        for best, ids in zip(truth, found, strict=True)
    ]
    return float(np.mean(shares))


if __name__ == "__main__":
    main()
