"""An HNSW index for tenants with many chunks, and how much of the truth it finds.

Comparing every vector misses nothing and is quick enough for most tenants. From
settings.VECTOR_INDEX_FROM chunks an index is built beside the running searches; it is used only as
far out (`hnsw_ef`) as it takes to find MIN_RECALL of the true ten nearest under the access levels,
measured on the tenant's own vectors, and not at all where it never does. An index serves one
generation of chunks, so one dimension; the next generation is searched exactly until it has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone

from retrieval.models import TermFrequency
from retrieval.terms import TOTAL_TERM
from retrieval.vectors import as_halfvec, distance
from tenants.context import tenant_context
from tenants.isolation.levels import isolation_of
from tenants.models import Tenant
from tenants.schema import owner

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger(__name__)

MIN_RECALL = 0.95
WANTED_RECALL = 0.96
EFFORTS = (64, 96, 128, 160, 256, 512, 1000)  # pgvector's hnsw.ef_search is at most 1000
SAMPLE = 40
# How far questions are from what they ask for, beside a vector of length 1. At 0.7 the index finds as
# much of the made questions' nearest as of real ones' (benchmarks/search_cost.py); chunks themselves
# it finds far better.
QUESTION_NOISE = 0.7
# So many times the crossover a tenant may have while it is being filled.
PATIENCE = 5
_LOCK_SPACE = 0x7669
NEAREST = 10
# pgvector indexes no longer halfvecs.
MOST_DIMENSIONS = 4_000

TOTAL_CHUNKS_LEFT = (
    0.5  # an index is dropped when a tenant has shrunk to this share of the crossover
)
FIND_INDEX = """
SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(%s)
"""
SAMPLE_VECTORS = """
SELECT embedding::text FROM retrieval_chunk
WHERE tenant_id = %(tenant)s AND generation = %(generation)s ORDER BY random() LIMIT %(n)s
"""
OTHER_INDEXES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind = 'i' AND c.relname ~ %s AND c.relname <> %s
"""
NEAREST_IDS = """
SELECT id FROM retrieval_chunk
WHERE tenant_id = %(tenant)s AND generation = %(generation)s AND access_level = ANY(%(levels)s)
ORDER BY {distance} LIMIT %(nearest)s
"""


def may_need_index(tenant: Tenant, *, is_filling: bool = False) -> bool:
    """A tenant that has grown past the crossover and has not been looked at yet.

    While documents still come it may grow some way beyond, so that the index is built once.
    """
    least = settings.VECTOR_INDEX_FROM * (PATIENCE if is_filling else 1)
    return (
        tenant.vector_checked_at is None
        and tenant.embedding_dimension <= MOST_DIMENSIONS
        and total_chunks(tenant) >= least
    )


def tune_alone(tenant: Tenant) -> None:
    """Tunes unless another process does so now."""
    with owner().cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_SPACE, tenant.pk])
        if not cursor.fetchone()[0]:
            return
        try:
            tenant.refresh_from_db()
            tune(tenant)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_SPACE, tenant.pk])
            owner().close()


def total_chunks(tenant: Tenant) -> int:
    with tenant_context(tenant):
        rows = TermFrequency.objects.filter(term=TOTAL_TERM, generation=tenant.generation)
        return rows.values_list("chunks", flat=True).first() or 0


def tune(tenant: Tenant) -> Tenant:
    """Builds the index if there should be one, measures it, and sets how far it is searched."""
    drop_other_indexes(tenant)
    total = total_chunks(tenant)
    is_small = total < settings.VECTOR_INDEX_FROM * TOTAL_CHUNKS_LEFT
    if is_small or tenant.embedding_dimension > MOST_DIMENSIONS:
        drop_index(tenant)
        return _set(tenant, effort=0, recall=None)
    if total < settings.VECTOR_INDEX_FROM and not tenant.hnsw_ef:
        return _set(tenant, effort=0, recall=None)
    build_index(tenant)
    effort, recall = find_effort(tenant)
    log.info(
        "vector index measured", tenant=tenant.slug, chunks=total, effort=effort, recall=recall
    )
    return _set(tenant, effort=effort, recall=recall)


def build_index(tenant: Tenant) -> None:
    """Beside searches and writes: neither waits. One that broke off is built anew."""
    name, table = _names(tenant)
    with owner().cursor() as cursor:
        cursor.execute(FIND_INDEX, [name])
        found = cursor.fetchone()
        if found and found[0]:
            return
        if found:
            cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
        cursor.execute("SET maintenance_work_mem = '256MB'")
        cursor.execute(
            f"CREATE INDEX CONCURRENTLY {name.partition('.')[2]} ON {table} USING hnsw"
            f" ((embedding::extensions.halfvec({tenant.embedding_dimension}))"
            " extensions.halfvec_cosine_ops) WITH (m = 16, ef_construction = 128)"
            f" WHERE tenant_id = {int(tenant.pk)} AND generation = {int(tenant.generation)}"
        )
        cursor.execute("RESET maintenance_work_mem")


def drop_index(tenant: Tenant) -> None:
    name, _ = _names(tenant)
    with owner().cursor() as cursor:
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def drop_other_indexes(tenant: Tenant) -> None:
    """Of generations that were replaced."""
    name = _names(tenant)[0].partition(".")[2]
    with owner().cursor() as cursor:
        pattern = f"^chunk_hnsw_{int(tenant.pk)}(_|$)"
        cursor.execute(OTHER_INDEXES, [tenant.schema_name, pattern, name])
        for (other,) in cursor.fetchall():
            cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{tenant.schema_name}".{other}')


def find_effort(tenant: Tenant) -> tuple[int, float]:
    """The least effort that reaches WANTED_RECALL, or else the best above MIN_RECALL; 0 if none."""
    questions = _questions(tenant)
    level_sets = [list(tenant.access_levels), *([level] for level in tenant.access_levels)]
    truth = [nearest(tenant, vector, levels) for vector in questions for levels in level_sets]
    recall = 0.0
    for effort in EFFORTS:
        found = [
            nearest(tenant, vector, levels, effort) for vector in questions for levels in level_sets
        ]
        recall = _recall(truth, found)
        if recall >= WANTED_RECALL:
            return effort, recall
    return (EFFORTS[-1] if recall >= MIN_RECALL else 0), recall


def nearest(
    tenant: Tenant, vector: np.ndarray, levels: Sequence[str], effort: int = 0
) -> list[int]:
    """The ids of the nearest chunks: through the index with `effort`, by comparing all without."""
    statement = NEAREST_IDS.format(
        distance=distance(tenant.embedding_dimension, indexed=effort > 0)
    )
    with tenant_context(tenant), connection.cursor() as cursor:
        if effort:
            cursor.execute(
                "SELECT set_config('hnsw.ef_search', %s, true),"
                " set_config('hnsw.iterative_scan', 'strict_order', true)",
                [str(effort)],
            )
        names = {
            "tenant": tenant.pk,
            "generation": tenant.generation,
            "levels": list(levels),
            "vector": as_halfvec(vector),
            "nearest": NEAREST,
        }
        cursor.execute(statement, names)
        return [row[0] for row in cursor.fetchall()]


def _questions(tenant: Tenant) -> list[np.ndarray]:
    """Like questions: between two chunks of the tenant, and off the region that chunks are in."""
    with tenant_context(tenant), connection.cursor() as cursor:
        names = {"tenant": tenant.pk, "generation": tenant.generation, "n": 2 * SAMPLE}
        cursor.execute(SAMPLE_VECTORS, names)
        rows = [np.array(row[0].strip("[]").split(","), np.float32) for row in cursor.fetchall()]
    noise = np.random.default_rng(len(rows))
    return [
        _unit(_unit(one + other) + QUESTION_NOISE * _unit(noise.normal(size=one.size)))
        for one, other in zip(rows[::2], rows[1::2], strict=False)
    ]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _recall(truth: list[list[int]], found: list[list[int]]) -> float:
    wanted = sum(len(ids) for ids in truth)
    kept = sum(len(set(a) & set(b)) for a, b in zip(truth, found, strict=True))
    return kept / wanted if wanted else 1.0


def _names(tenant: Tenant) -> tuple[str, str]:
    """The index with its schema, and the table it is on."""
    table = isolation_of(tenant.isolation).chunk_table(tenant)
    name = f"chunk_hnsw_{int(tenant.pk)}_{int(tenant.generation)}"
    return f'"{tenant.schema_name}".{name}', table


def _set(tenant: Tenant, *, effort: int, recall: float | None) -> Tenant:
    values = {"hnsw_ef": effort, "vector_recall": recall, "vector_checked_at": timezone.now()}
    if effort == 0 and recall is None:
        values["vector_checked_at"] = None
    # Nothing was measured of a generation that took over meanwhile.
    Tenant.objects.filter(pk=tenant.pk, generation=tenant.generation).update(**values)
    tenant.refresh_from_db()
    return tenant
