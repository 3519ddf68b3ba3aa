"""Where comparing every vector begins to cost more than an index, and how much the index finds.

Vectors are mixed from real embeddings of the manuals, with noise, so that they have neighbours as
real ones do. Times are the database's own, of one search for ten under an access filter.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from typing import Any

import numpy as np

from benchmarks.common import manuals, report, temporary_folder
from benchmarks.database import database

SIZES = (5_000, 10_000, 20_000, 50_000, 100_000)
QUESTIONS = 40
FILL = """
INSERT INTO retrieval_chunk (document_id, ordinal, text, heading_path, start_char, end_char,
    content_hash, token_count, access_level, embedding, terms, term_weights)
SELECT %(document)s, %(base)s + n, '', '', 0, 1, '', 1,
    CASE WHEN n %% 4 = 0 THEN 'internal' ELSE 'public' END, v::halfvec, '{1}', '{1:1}/1000000000'
FROM unnest(%(vectors)s::text[]) WITH ORDINALITY AS made(v, n)
"""


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    with temporary_folder() as folder, database(folder):
        rows = measure(sizes)
    crossover = next((row["chunks"] for row in rows if row["index_ms"] < row["exact_ms"]), None)
    report(
        "vector_index",
        rows,
        goal="recall of the index at least 0.95; exact search finds all",
        crossover=crossover,
        reached=all(row["recall"] >= 0.95 for row in rows),
    )


def measure(sizes: list[int]) -> list[dict[str, Any]]:
    from django.conf import settings

    from retrieval.indexing import vector_index
    from tenants.services import create_tenant

    settings.VECTOR_INDEX_FROM = min(sizes)
    real, rng = real_vectors(), np.random.default_rng(3)
    tenant, filled, rows = create_tenant(slug="vectors"), 0, []
    document = make_document(tenant)
    for size in sizes:
        while filled < size:
            filled += fill(tenant, document, filled, mixed(real, min(5_000, size - filled), rng))
        vector_index.drop_index(tenant)
        begun = time.perf_counter()
        vector_index.build_index(tenant)
        build_s = time.perf_counter() - begun
        vacuum(tenant)
        effort, recall = vector_index.find_effort(tenant)
        questions = mixed(real, QUESTIONS, rng)
        rows.append(
            {
                "chunks": size,
                "exact_ms": database_ms(tenant, questions, 0),
                "index_ms": database_ms(tenant, questions, effort or vector_index.EFFORTS[-1]),
                "effort": effort,
                "recall": recall,
                "build_s": build_s,
            }
        )
    return rows


def real_vectors() -> np.ndarray:
    from retrieval.indexing.chunking import split
    from retrieval.providers.embedders import get_embedder

    embedder = get_embedder("local:all-MiniLM-L6-v2")
    passages = [
        passage.embedded_text
        for text in manuals().values()
        for passage in split(text.decode(), embedder, 220)
    ]
    return embedder.embed(passages)


def mixed(real: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Each from two real ones in random shares, with a tenth of noise."""
    one, other = (
        real[rng.integers(len(real), size=count)],
        real[rng.integers(len(real), size=count)],
    )
    share = rng.uniform(0, 1, size=(count, 1)).astype(np.float32)
    noise = rng.normal(size=one.shape).astype(np.float32) / np.sqrt(one.shape[1])
    vectors = share * one + (1 - share) * other + 0.3 * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_document(tenant: Any) -> Any:
    from retrieval.models import Document, Source, TermFrequency
    from retrieval.terms import TOTAL_TERM
    from tenants.context import tenant_context

    with tenant_context(tenant):
        source = Source.objects.create(name="Uploads", kind="upload")
        TermFrequency.objects.create(term=TOTAL_TERM, chunks=1, tenant_id=tenant.pk)
        return Document.objects.create(
            source=source, path="a", access_level="public", content_hash="", size_bytes=1
        )


def fill(tenant: Any, document: Any, base: int, vectors: np.ndarray) -> int:
    from django.db import connection

    from retrieval.vectors import as_halfvec
    from tenants.context import tenant_context

    texts = [as_halfvec(vector) for vector in vectors]
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(FILL, {"document": document.pk, "base": base, "vectors": texts})
    return len(texts)


def vacuum(tenant: Any) -> None:
    from tenants.schema import owner

    with owner().cursor() as cursor:
        cursor.execute(f'VACUUM ANALYZE "{tenant.schema_name}".retrieval_chunk_default')


def database_ms(tenant: Any, questions: np.ndarray, effort: int) -> float:
    """The median of what EXPLAIN ANALYZE says, with warm caches."""
    from django.db import connection

    from retrieval.indexing.vector_index import NEAREST, NEAREST_IDS
    from retrieval.vectors import as_halfvec, distance
    from tenants.context import tenant_context

    statement = "EXPLAIN (ANALYZE, TIMING OFF) " + NEAREST_IDS.format(
        distance=distance(tenant.embedding_dimension, indexed=effort > 0)
    )
    times = []
    for vector in questions:
        names = {
            "tenant": tenant.pk,
            "generation": tenant.generation,
            "levels": ["public"],
            "vector": as_halfvec(vector),
            "nearest": NEAREST,
        }
        with tenant_context(tenant), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('hnsw.ef_search', %s, true),"
                " set_config('hnsw.iterative_scan', 'strict_order', true)",
                [str(effort or 40)],
            )
            cursor.execute(statement, names)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        times.append(float(re.findall(r"Execution Time: ([\d.]+)", plan)[0]))
    return statistics.median(times[len(times) // 4 :])


if __name__ == "__main__":
    main()
