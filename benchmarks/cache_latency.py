"""How long a cached answer takes over HTTP, with 1,000 to 100,000 kept answers of one tenant.

Entries are added as SQL: real questions with a number appended, their vectors moved at random, so
that the nearest ones are near and the guards have to read them. Every question found by its meaning
has blanks of its own between its words, so that its embedding is in no cache.
"""

from __future__ import annotations

import http.client
import json
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.common import (
    Installation,
    cpu_seconds,
    manuals,
    percentile,
    report,
    temporary_folder,
    use_settings,
)

if TYPE_CHECKING:
    from tenants.models import Tenant

SIZES = (1_000, 10_000, 100_000)
EXACT_GOAL_MS, SEMANTIC_GOAL_MS = 3.0, 10.0
EXACT_REQUESTS, SEMANTIC_REQUESTS = 400, 300
# How it is asked first, and again in other words.
PAIRS = (
    ("How do I connect a local model server?", "How can I connect a local model server?"),
    ("How do I rate an answer?", "How can I rate an answer?"),
    ("Which files can be uploaded?", "What files can be uploaded?"),
    ("Which roles may upload documents?", "What roles may upload documents?"),
    ("Where is the installation's secret kept?", "Where is the secret of the installation kept?"),
    ("How do I create an API key?", "How can I create an API key?"),
)
FILL = """
INSERT INTO retrieval_cacheentry (id, key, question, embedding, config_hash, access_levels,
    corpus_revision, context_fingerprint, context_levels, trace_id, answer, expires_at)
SELECT gen_random_uuid(), md5(random()::text) || md5(n::text), question || ' (case ' || n || ')',
    (SELECT l2_normalize(array_agg(v + (random() - 0.5) * (0.1 + 0.15 * (n %% 100) / 100.0))::halfvec)
        FROM unnest(embedding::real[]) v WHERE n > 0),
    config_hash, access_levels, corpus_revision, context_fingerprint, context_levels, trace_id,
    answer, expires_at
FROM (SELECT * FROM retrieval_cacheentry WHERE question NOT LIKE '%%(case %%') asked,
    generate_series(%s::int, %s::int) n
"""


def main() -> None:
    with temporary_folder() as folder, Installation(folder / "data") as installation:
        use_settings(installation.folder)
        rows = measure(installation)
    reached = all(
        row["exact_p50_ms"] <= EXACT_GOAL_MS and row["semantic_p50_ms"] <= SEMANTIC_GOAL_MS
        for row in rows
    )
    report(
        "cache_latency",
        rows,
        goal=f"p50 of an exact hit {EXACT_GOAL_MS} ms, of a semantic one {SEMANTIC_GOAL_MS} ms,"
        " at every size",
        reached=reached,
    )


def measure(installation: Installation) -> list[dict[str, Any]]:
    import django

    django.setup()
    from tenants.models import Tenant

    key, documents = installation.make_tenant("bench"), manuals()
    installation.upload(key, documents)
    installation.wait_until_ready(key, len(documents))
    tenant = Tenant.objects.get(slug="bench")
    client = Client(installation, key)
    for question, _ in PAIRS:
        client.ask(question)
    from retrieval.query.semantic_cache import INDEX_SECONDS

    pairs = [pair for pair in PAIRS if client.ask(pair[1])["cache"] == "semantic"]
    if len(pairs) < len(PAIRS) / 2:
        raise RuntimeError(f"Only {len(pairs)} of {len(PAIRS)} pairs are taken for each other.")
    rows, filled = [], 0
    for size in SIZES:
        fill(tenant, filled, size)
        filled = size
        time.sleep(INDEX_SECONDS + 1)  # by then the web process knows of the index
        client = Client(installation, key)  # one that idled so long is closed
        rows.append({"entries": size, **measure_hits(installation, client, pairs)})
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def fill(tenant: Tenant, filled: int, size: int) -> None:
    from django.db import connection

    from retrieval.indexing.cache_upkeep import index_name, tend_index
    from tenants.context import tenant_context
    from tenants.schema import owner

    with owner().cursor() as cursor:  # many rows are added sooner without it
        cursor.execute(f'DROP INDEX IF EXISTS "{tenant.schema_name}".{index_name(tenant)}')
    step = 5_000
    for first in range(filled, size, step):
        with tenant_context(tenant), connection.cursor() as cursor:
            share = [first // len(PAIRS) + 1, min(first + step, size) // len(PAIRS)]
            cursor.execute(FILL, share)
    tend_index(tenant)
    with owner().cursor() as cursor:
        cursor.execute(f'VACUUM ANALYZE "{tenant.schema_name}".retrieval_cacheentry')


def measure_hits(
    installation: Installation, client: Client, pairs: list[tuple[str, str]]
) -> dict[str, Any]:
    web = installation.pid_of("ragadmin.embedded.web")
    postgres = installation.pid_of("postgres")
    row: dict[str, Any] = {}
    for kind, count in (("exact", EXACT_REQUESTS), ("semantic", SEMANTIC_REQUESTS)):
        place = 0 if kind == "exact" else 1
        for pair in pairs:  # the first look after a fill reads from the disk
            client.ask(spaced(pair[place]) if place else pair[0])
        before = cpu_seconds(web), cpu_seconds(postgres)
        times = []
        for n in range(count):
            asked = pairs[n % len(pairs)][place]
            begin = time.perf_counter()
            given = client.ask(spaced(asked) if place else asked)
            times.append((time.perf_counter() - begin) * 1000)
            if given["cache"] != kind:
                raise RuntimeError(f"{asked!r} was no {kind} hit but {given['cache']}.")
        after = cpu_seconds(web), cpu_seconds(postgres)
        row |= {
            f"{kind}_p50_ms": statistics.median(times),
            f"{kind}_p95_ms": percentile(times, 0.95),
            f"{kind}_web_cpu_ms": (after[0] - before[0]) * 1000 / count,
            f"{kind}_database_cpu_ms": (after[1] - before[1]) * 1000 / count,
        }
    return row


def spaced(question: str) -> str:
    """The same to the embedding model, which reads no blanks, and new to every cache of texts."""
    return "".join(word + " " * random.randint(1, 9) for word in question.split()).strip()


class Client:
    """One connection that is kept."""

    def __init__(self, installation: Installation, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(self, question: str) -> dict[str, Any]:
        body = json.dumps({"question": question})
        self._connection.request("POST", "/api/v1/answers/", body, self._headers)
        response = self._connection.getresponse()
        data = json.loads(response.read())
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {data}")
        return data


if __name__ == "__main__":
    sys.exit(main())
