"""The page of documents with few and with 100,000 of them: seconds a request, database queries.

The documents are written by SQL, with 3 kB of text each. Asked is the part of the page that a filter,
a page or a poll asks for, in this process.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.common import report, temporary_folder
from benchmarks.database import database

if TYPE_CHECKING:
    from django.test import Client

    from tenants.models import Tenant

SIZES = (1_000, 100_000)
REPEATS = 9
PART = {"hx-request": "true", "hx-target": "documents", "host": "localhost"}
FILL = """
INSERT INTO retrieval_document (id, source_id, external_id, path, title, access_level, status,
    error_code, content_hash, size_bytes, markdown, chunk_count, created_at, updated_at,
    stage, error_message, indexed_hash, media_type, token_count, uploaded_by)
SELECT gen_random_uuid(), %(source)s, path, path, 'Page ' || n,
    CASE WHEN n %% 4 = 0 THEN 'internal' ELSE 'public' END,
    CASE WHEN n %% 200 = 0 THEN 'failed' ELSE 'ready' END,
    CASE WHEN n %% 200 = 0 THEN (ARRAY['corrupt', 'encrypted'])[1 + n %% 2] ELSE '' END,
    md5(n::text), (n * 7919) %% 100000,
    (SELECT string_agg(md5(n || '-' || line), '') FROM generate_series(1, 90) AS line), n %% 17,
    now() - make_interval(secs => n), now() - make_interval(secs => (n * 7) %% 1000000),
    '', '', '', '', 0, ''
FROM (SELECT n, format('part-%%s/chapter-%%s/page-%%s.md', n %% 97, n %% 1009, n) AS path
    FROM generate_series(1, %(size)s) AS n) AS numbered
"""


def main() -> None:
    rows: list[dict[str, Any]] = []
    with temporary_folder() as folder, database(folder / "data"):
        for size in SIZES:
            rows += measure(size)
    few = {row["asked"]: row["ms"] for row in rows if row["documents"] == SIZES[0]}
    for row in rows:
        row["ms/few"] = row["ms"] / few[row["asked"]]
    report("document_list", rows)


def measure(size: int) -> list[dict[str, Any]]:
    from tenants.services import create_tenant

    tenant = create_tenant(slug=f"bench-{size}", embedding_model="local:all-MiniLM-L6-v2")
    fill(tenant, size)
    client = sign_in(tenant)
    last, middle = size // 25, size // 50
    asked = {
        "first page": "",
        "middle page": f"page={middle}",
        "last page": f"page={last}",
        "failed": "status=failed",
        "one reason": "error_code=corrupt",
        "one access level": "access_level=internal",
        "by path, middle": f"sort=path&page={middle}",
        "by size": "sort=-size",
        "words": "q=page-77",
    }
    return [time_page(client, tenant, size, name, query) for name, query in asked.items()]


def fill(tenant: Tenant, size: int) -> None:
    from django.db import connection, connections

    from retrieval.models import Source
    from tenants.context import tenant_context

    with tenant_context(tenant), connection.cursor() as cursor:
        source = Source.objects.create(name="Bench", kind="folder", access_level="public")
        cursor.execute(FILL, {"source": source.pk, "size": size})
    with connections["owner"].cursor() as cursor:  # as autovacuum does within a minute
        cursor.execute(f"VACUUM ANALYZE {tenant.schema_name}.retrieval_document")


def sign_in(tenant: Tenant) -> Client:
    from django.test import Client

    from tenants.services import add_member, create_user

    user = create_user(email=f"bench@{tenant.slug}.invalid", password=None)
    add_member(tenant=tenant, user=user, role="owner", access_levels=())
    client = Client(headers=PART)
    client.force_login(user)
    return client


def time_page(client: Client, tenant: Tenant, size: int, name: str, query: str) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    seconds, queries = [], 0
    for _ in range(REPEATS):
        with CaptureQueriesContext(connection) as captured:
            start = time.perf_counter()
            answer = client.get(f"/t/{tenant.slug}/documents/?{query}")
            seconds.append(time.perf_counter() - start)
        assert answer.status_code == 200
        queries = len(captured)
    ms = statistics.median(seconds) * 1000
    return {"documents": size, "asked": name, "ms": ms, "queries": queries}


if __name__ == "__main__":
    main()
