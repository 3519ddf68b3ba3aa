"""How many searches a second the endpoint answers, beside the same SQL through plain psycopg.

Throughput of POST /api/v1/search/ divided by that of the statements behind it (the transaction's
begin, term frequencies, search, commit) on async psycopg connections in one process, with as many
callers. Every question was asked before, so that its vector is in Redis: embedding is in neither.
The answers' JSON is in the first only. The two take turns, and the best round of each counts.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

from benchmarks.common import Installation, manuals, report, temporary_folder
from benchmarks.streaming import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np

CALLERS = (1, 8)
SEARCHES, ROUNDS = 240, 3
GOAL = 0.6


def main() -> None:
    with temporary_folder() as folder, Installation(folder / "data") as installation:
        rows = measure(installation)
    report(
        "search_endpoint",
        rows,
        goal=f"at least {GOAL} of the throughput of the same SQL",
        reached=all(row["ratio"] >= GOAL for row in rows),
    )


def measure(installation: Installation) -> list[dict[str, Any]]:
    key, documents = installation.make_tenant("bench"), manuals()
    installation.upload(key, documents)
    installation.wait_until_ready(key, len(documents))
    plain = Plain(installation)
    rows = []
    for callers in CALLERS:
        over_http(installation, key, callers)
        through, bare = [], []
        for _ in range(ROUNDS):
            through.append(over_http(installation, key, callers))
            bare.append(plain.searches_a_second(callers))
        best, least = max(through), max(bare)
        rows.append({"callers": callers, "endpoint_s": best, "sql_s": least, "ratio": best / least})
    return rows


def over_http(installation: Installation, key: str, callers: int) -> float:
    """Searches a second, each caller on one connection that is kept."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def call(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=60)
        for number in range(SEARCHES // callers):
            body = json.dumps({"question": QUESTIONS[number % len(QUESTIONS)]})
            connection.request("POST", "/api/v1/search/", body, headers)
            response = connection.getresponse()
            found = json.loads(response.read())
            if response.status != 200 or "hits" not in found:
                raise RuntimeError(f"{response.status}: {found}")
        connection.close()

    with ThreadPoolExecutor(callers) as threads:
        begin = time.perf_counter()
        list(threads.map(call, range(callers)))
        return SEARCHES / (time.perf_counter() - begin)


class Plain:
    """The statements of a search as psycopg sends them, with the vectors at hand."""

    def __init__(self, installation: Installation) -> None:
        from benchmarks.common import use_settings

        use_settings(installation.folder)
        import django

        django.setup()
        from retrieval.providers.embedders import get_embedder
        from tenants.access import tenant_config
        from tenants.config import Caller
        from tenants.models import Tenant

        tenant = Tenant.objects.get(slug="bench")
        self._caller = Caller(tenant_config(tenant), tuple(tenant.access_levels), frozenset(), "")
        vectors = get_embedder(tenant.embedding_model).embed(list(QUESTIONS))
        self._vectors: list[np.ndarray] = list(vectors)

    def searches_a_second(self, callers: int) -> float:
        return asyncio.run(self._measure(callers))

    async def _measure(self, callers: int) -> float:
        from tenants.pool import close_pool, open_pool

        await open_pool(size=callers)
        try:
            statements = [await self._statements(n) for n in range(len(QUESTIONS))]
            numbers = count()
            await self._all(callers, callers * 4, numbers, statements)
            begin = time.perf_counter()
            await self._all(callers, SEARCHES, numbers, statements)
            return SEARCHES / (time.perf_counter() - begin)
        finally:
            await close_pool()

    async def _all(self, callers: int, searches: int, numbers: Any, statements: Any) -> None:
        async def call() -> None:
            for _ in range(searches // callers):
                await self._search(statements[next(numbers) % len(statements)])

        await asyncio.gather(*(call() for _ in range(callers)))

    async def _statements(self, number: int) -> list[tuple[Any, Any]]:
        """What a search sends, as it was composed once."""
        from retrieval.query.request import SearchRequest
        from retrieval.query.search import Probe, find_nearest
        from tenants.pool import tenant_transaction

        sent: list[tuple[Any, Any]] = []
        question = QUESTIONS[number]
        async with tenant_transaction(self._caller.tenant) as connection:
            request = SearchRequest(question, top_k=10)
            probe = Probe(question, self._vectors[number])
            await find_nearest(_recorded(connection, sent), self._caller, request, [probe])
        return sent

    async def _search(self, statements: list[tuple[Any, Any]]) -> None:
        from tenants.pool import tenant_transaction

        async with tenant_transaction(self._caller.tenant) as connection:
            for statement, values in statements:
                await (await connection.execute(statement, values)).fetchall()


def _recorded(connection: Any, sent: list[tuple[Any, Any]]) -> Any:
    execute: Callable[..., Awaitable[Any]] = connection.execute

    class Recorded:
        corpus_revision = connection.corpus_revision

        async def execute(self, statement: Any, values: Any = None) -> Any:
            sent.append((statement, values))
            return await execute(statement, values)

    return Recorded()


if __name__ == "__main__":
    main()
