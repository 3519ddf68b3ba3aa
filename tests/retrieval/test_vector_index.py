"""Above the crossover an index is built, measured, and used only as far as it finds the truth."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from django.db import connection

from retrieval.indexing import vector_index
from retrieval.models import Chunk, TermFrequency
from retrieval.query.request import SearchRequest
from retrieval.query.retrieve import find
from retrieval.terms import TOTAL_TERM
from retrieval.vectors import as_halfvec
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.pool import close_pool
from tenants.services import create_tenant
from tests.documents import DOCUMENTS, upload_and_index

ROWS = 1_500
COPY = """
INSERT INTO retrieval_chunk (document_id, ordinal, text, heading_path, start_char, end_char,
    content_hash, token_count, access_level, embedding, terms, term_weights)
SELECT c.document_id, 1000 + n, c.text, '', 0, 1, md5(n::text), 1,
    CASE WHEN n %% 10 = 0 THEN 'internal' ELSE 'public' END, v::halfvec, c.terms, c.term_weights
FROM unnest(%s::text[]) WITH ORDINALITY AS made(v, n),
    (SELECT * FROM retrieval_chunk ORDER BY id LIMIT 1) AS c
"""


@pytest.fixture(params=list(LEVELS))
def large_tenant(request, settings):
    settings.VECTOR_INDEX_FROM = ROWS // 2
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=request.param)
    upload_and_index(tenant, DOCUMENTS)
    rng = np.random.default_rng(7)
    vectors = (
        rng.normal(size=(ROWS, 384)) + 3 * rng.normal(size=(20, 384))[rng.integers(20, size=ROWS)]
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(COPY, [[as_halfvec(vector) for vector in vectors]])
        TermFrequency.objects.filter(term=TOTAL_TERM).update(chunks=Chunk.objects.count())
    return tenant


@pytest.fixture
async def pool():
    yield
    await close_pool()


def plan_of(tenant):
    vector = as_halfvec(np.ones(384) / np.sqrt(384))
    statement = vector_index.NEAREST_IDS.format(distance=vector_index.distance(384, indexed=True))
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        names = {
            "tenant": tenant.pk,
            "generation": tenant.generation,
            "levels": ["public"],
            "vector": vector,
            "nearest": 10,
        }
        cursor.execute("EXPLAIN " + statement, names)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_an_index_is_built_measured_and_used(large_tenant):
    assert vector_index.may_need_index(large_tenant)
    tuned = vector_index.tune(large_tenant)
    assert tuned.hnsw_ef > 0
    assert tuned.vector_recall >= vector_index.MIN_RECALL
    assert not vector_index.may_need_index(tuned)
    assert f"chunk_hnsw_{tuned.pk}" in plan_of(tuned)


def test_tuning_alone_ends_with_the_same(large_tenant):
    vector_index.tune_alone(large_tenant)
    large_tenant.refresh_from_db()
    assert large_tenant.hnsw_ef > 0


def test_filtered_search_through_the_index_still_finds_enough(large_tenant):
    tuned = vector_index.tune(large_tenant)
    vector = np.ones(384, np.float32) / np.sqrt(384)
    found = vector_index.nearest(tuned, vector, ["internal"], tuned.hnsw_ef)
    assert len(found) == vector_index.NEAREST


def test_a_tenant_that_shrank_has_no_index_any_more(large_tenant, settings):
    tuned = vector_index.tune(large_tenant)
    settings.VECTOR_INDEX_FROM = ROWS * 10
    tuned = vector_index.tune(tuned)
    assert tuned.hnsw_ef == 0
    assert f"chunk_hnsw_{tuned.pk}" not in plan_of(tuned)


@pytest.fixture
def tuned_caller(large_tenant):
    tuned = vector_index.tune(large_tenant)
    return Caller(
        tenant_config(tuned), ("public", "internal"), frozenset({"query"}), "test", user_id=1
    )


async def test_questions_are_answered_through_the_index(tuned_caller, pool):
    from retrieval.query.embed import embed_question

    question = "How do I reset my password?"
    hits = await find(
        tuned_caller, SearchRequest(question), await embed_question(tuned_caller, question)
    )
    assert hits[0].path == "guide/passwords.md"
