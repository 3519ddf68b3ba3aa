"""How Postgres goes about a search: row-level security must not cost it its indexes."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from retrieval.query.keywords import Keywords
from retrieval.query.search_statement import holding
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.schema import owner
from tenants.services import create_tenant
from tests.documents import DOCUMENTS, upload_and_index

ROWS = 5_000
COPY = """
INSERT INTO retrieval_chunk (document_id, ordinal, text, heading_path, start_char, end_char,
    content_hash, token_count, access_level, embedding, terms, term_weights)
SELECT c.document_id, 1000 + n, c.text, '', 0, 1, md5(n::text), 1, 'public', c.embedding,
    ARRAY[n, n + 1, n + 2], c.term_weights
FROM generate_series(1, %s) AS n, (SELECT * FROM retrieval_chunk ORDER BY id LIMIT 1) AS c
"""
KEYWORDS = """
EXPLAIN SELECT id FROM retrieval_chunk
WHERE tenant_id = %s AND generation = 1 AND ({holding}) AND access_level = ANY('{{public}}')
"""
RARE = Keywords({}, {}, 0, rare=(77, 2077))
RARE_AND_PAIRS = Keywords({}, {}, 0, rare=(77, 2077), groups=((5, 6), (5, 7), (90, 91, 92)))
PAIRS = Keywords({}, {}, 0, rare=(), groups=((5, 6), (90, 91)))


@pytest.fixture(params=list(LEVELS))
def large_tenant(request):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=request.param)
    upload_and_index(tenant, DOCUMENTS)
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(COPY, [ROWS])
    with owner().cursor() as cursor:
        cursor.execute(f'ANALYZE "{tenant.schema_name}".retrieval_chunk')
    owner().close()
    return tenant


@pytest.mark.parametrize("words", [RARE, RARE_AND_PAIRS, PAIRS])
def test_keyword_search_finds_its_rows_by_their_terms(large_tenant, words):
    with tenant_context(large_tenant), connection.cursor() as cursor:
        cursor.execute(KEYWORDS.format(holding=holding(words)), [large_tenant.pk])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    # Beside it the key may be used too, where a pool holds many other tenants' rows.
    scans = plan.split("Bitmap Index Scan")[1:]
    assert any("terms_idx" in scan.splitlines()[0] for scan in scans), plan
