"""Many tenants filled fast: real passages embedded once, then copied and mixed inside the database."""

from __future__ import annotations

import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import manuals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenants.models import Tenant

LEVELS = ("schema", "partition", "shared")
PATTERNS = 10_000
REAL_PASSAGES = 600
CHUNKS_PER_DOCUMENT = 20
NOISE = 0.25
QUESTIONS = (
    "How are the special methods of a class looked up?",
    "What does the with statement do when an exception is raised?",
    "How are keyword arguments passed to a function?",
    "Which environment variable names the database?",
    "How is a string formatted with padding and alignment?",
    "When is a finally clause executed?",
    "What is a metaclass and when is it called?",
    "How do I revoke an API key?",
)
# A pattern is a real passage's text and terms, with a vector mixed of two passages' and noise.
TABLE = """
CREATE UNLOGGED TABLE public.bench_pattern (n int PRIMARY KEY, text text NOT NULL,
    heading_path text NOT NULL, token_count int NOT NULL, terms int[] NOT NULL,
    term_weights extensions.sparsevec NOT NULL, embedding extensions.halfvec NOT NULL)
"""
ADD_PATTERNS = """
INSERT INTO public.bench_pattern SELECT n, text, heading_path, token_count, terms::int[],
    term_weights::extensions.sparsevec, embedding::extensions.halfvec
FROM unnest(%s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[])
AS new(n, text, heading_path, token_count, terms, term_weights, embedding)
"""
FILL = """
SET LOCAL synchronous_commit = off;
SELECT set_config('ragadmin.tenant_id', '{tenant}', true);
SET LOCAL search_path = "{schema}", public, extensions;
INSERT INTO retrieval_source (id, name, kind) VALUES (gen_random_uuid(), 'Uploads', 'upload');
INSERT INTO retrieval_document (id, source_id, external_id, path, title, access_level, status, stage,
    error_code, error_message, content_hash, indexed_hash, indexed_generation, media_type, size_bytes,
    storage_key, markdown, chunk_count, token_count, uploaded_by, updated_at)
SELECT gen_random_uuid(), s.id, lpad(d::text, 6, '0') || '.md', lpad(d::text, 6, '0') || '.md',
    'Page ' || d, CASE WHEN d % 4 = 0 THEN 'internal' ELSE 'public' END, 'ready', '', '', '', md5(d::text), '', 1,
    'text/markdown', 1000, '{tenant}/' || d, '', {per_document}, 4000, '', now()
FROM generate_series(0, {documents} - 1) AS d, retrieval_source s WHERE s.tenant_id = {tenant};
INSERT INTO retrieval_chunk (document_id, ordinal, text, heading_path, start_char, end_char,
    content_hash, token_count, access_level, embedding, terms, term_weights)
SELECT d.id, k % {per_document}, p.text, p.heading_path, 0, length(p.text), md5(k::text),
    p.token_count, d.access_level, p.embedding, p.terms, p.term_weights
FROM generate_series(0, {chunks} - 1) AS k
JOIN (SELECT id, access_level, row_number() OVER (ORDER BY path) - 1 AS place
    FROM retrieval_document WHERE tenant_id = {tenant}) d ON d.place = k / {per_document}
JOIN public.bench_pattern p ON p.n = (k * 7919 + {tenant} * 104729) % {patterns};
INSERT INTO retrieval_termfrequency (term, chunks)
SELECT term, count(*) FROM retrieval_chunk, unnest(terms) AS term
WHERE tenant_id = {tenant} GROUP BY term UNION ALL SELECT 0, {chunks}
"""


@dataclass(frozen=True, slots=True)
class Planned:
    slug: str
    isolation: str
    chunks: int


def plan_fleet(tenants: int, chunks: int, shares: Sequence[float]) -> list[Planned]:
    """Sizes fall as 1/rank; levels are dealt out by `shares`, big and small alike."""
    unit = chunks / sum(1 / rank for rank in range(1, tenants + 1))
    rng = np.random.default_rng(7)
    levels = rng.choice(LEVELS, size=tenants, p=shares)
    planned = [
        Planned(f"fleet-{rank}", str(level), max(1, round(unit / rank)))
        for rank, level in enumerate(levels, start=1)
    ]
    order = rng.permutation(tenants)
    return [planned[place] for place in order]


def make_patterns() -> None:
    """Once for a database, before any tenant is filled."""
    from retrieval.indexing.chunking import split
    from retrieval.providers.embedders import get_embedder
    from retrieval.terms import (
        as_sparsevec,
        saturated_frequencies,
        term_counts,
        typical_length,
    )
    from retrieval.vectors import as_halfvec
    from tenants.schema import owner

    embedder = get_embedder("local:all-MiniLM-L6-v2")
    texts = [text for _, text in sorted(topics.items())] + [
        data.decode() for data in manuals().values()
    ]
    passages = [passage for text in texts for passage in split(text, embedder, 220)]
    chosen = np.random.default_rng(3).permutation(len(passages))[:REAL_PASSAGES]
    real = [passages[place] for place in chosen]
    vectors = embedder.embed([passage.embedded_text for passage in real])
    weights = [
        saturated_frequencies(term_counts(passage.embedded_text), typical_length(220))
        for passage in real
    ]
    with owner().cursor() as cursor:
        cursor.execute(TABLE)
        for rows in _slices(range(PATTERNS), 1000):
            of = [n % len(real) for n in rows]
            columns = [
                list(rows),
                [real[n].text for n in of],
                [real[n].heading_path for n in of],
                [real[n].token_count for n in of],
                ["{" + ",".join(map(str, sorted(weights[n]))) + "}" for n in of],
                [as_sparsevec(weights[n]) for n in of],
                [as_halfvec(mixed) for mixed in _mix(vectors, rows)],
            ]
            cursor.execute(ADD_PATTERNS, columns)
        cursor.execute("ANALYZE public.bench_pattern")


def _mix(vectors: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    rng = np.random.default_rng(rows[0])
    own = vectors[[n % len(vectors) for n in rows]]
    other = vectors[rng.integers(0, len(vectors), len(rows))]
    share = rng.uniform(0.6, 0.95, (len(rows), 1))
    noise = rng.normal(0, NOISE / math.sqrt(vectors.shape[1]), own.shape)
    mixed = share * own + (1 - share) * other + noise
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def _slices(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def make_tenant(planned: Planned) -> Tenant:
    """By the product's own code, then filled by SQL."""
    from django.db import transaction

    from tenants.schema import owner
    from tenants.services import create_tenant

    tenant = create_tenant(slug=planned.slug, isolation=planned.isolation)
    statements = FILL.format(
        tenant=tenant.pk,
        schema=tenant.schema_name,
        chunks=planned.chunks,
        documents=-(-planned.chunks // CHUNKS_PER_DOCUMENT),
        per_document=CHUNKS_PER_DOCUMENT,
        patterns=PATTERNS,
    )
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute(statements)
    return tenant


def make_tenants(planned: Sequence[Planned], seconds: float, jobs: int = 2) -> list[Planned]:
    """As many as can be made in that time, in order. Returns those that were made."""
    deadline = time.monotonic() + seconds
    waiting = deque(planned)
    made: list[Planned] = []
    with ThreadPoolExecutor(jobs) as pool:
        for job in [pool.submit(_work_off, waiting, made, deadline) for _ in range(jobs)]:
            job.result()
    return made


def _work_off(waiting: deque[Planned], made: list[Planned], deadline: float) -> None:
    from django.db import connections

    while waiting and time.monotonic() < deadline:
        one = waiting.popleft()
        make_tenant(one)
        made.append(one)
        if len(made) % 100 == 0:  # the owner's backend remembers every table too
            connections.close_all()
    connections.close_all()
