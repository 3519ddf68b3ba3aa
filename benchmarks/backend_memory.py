"""What one Postgres backend remembers after serving 1, 1,000 and 5,000 tenants, with and without renewal.

Uses the fleet of benchmarks.many_tenants, which it makes if BENCH_DATA does not hold one.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

from benchmarks.common import report
from benchmarks.database import database
from benchmarks.fleet import QUESTIONS
from benchmarks.many_tenants import build, caller_of, data_folder, embed_questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from tenants.config import Caller

GOAL_MB = 64
POINTS = (1, 1_000, 5_000)
EVERY = 25
USED = "SELECT pg_backend_pid() AS pid, sum(total_bytes)::bigint AS bytes FROM pg_backend_memory_contexts"


@dataclass
class Peak:
    """Of every backend that served."""

    contexts_mb: float = 0.0
    private_mb: float = 0.0
    backends: set[int] = field(default_factory=set)

    def note(self, pid: int, contexts: int) -> None:
        memory = psutil.Process(pid).memory_info()
        self.backends.add(pid)
        self.contexts_mb = max(self.contexts_mb, contexts / 2**20)
        self.private_mb = max(self.private_mb, (memory.rss - memory.shared) / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=8_500)
    parser.add_argument("--chunks", type=int, default=100_000)
    options = parser.parse_args()
    with data_folder() as folder, database(folder) as url:
        fleet = build(folder, url, options.tenants, options.chunks, seconds=900)
        let_read_memory(url)
        rows = [row for level in ("schema", "partition") for row in compare(level)]
    from tenants.recycling import MOST_TENANTS

    worst = max(row["private_mb"] for row in rows if row["renewed"])
    report(
        "backend_memory",
        rows,
        goal_mb=GOAL_MB,
        most_tenants=MOST_TENANTS,
        worst_mb=worst,
        reached=worst <= GOAL_MB,
        fleet=fleet["tenants_of"],
    )


def let_read_memory(url: str) -> None:
    from ragadmin.installation import runtime_role

    role = runtime_role("ragadmin")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'GRANT SELECT ON pg_backend_memory_contexts TO "{role}"'.encode())
        connection.execute(
            f'GRANT EXECUTE ON FUNCTION pg_get_backend_memory_contexts() TO "{role}"'.encode()
        )


def compare(level: str) -> list[dict[str, Any]]:
    from tenants import recycling
    from tenants.models import Tenant

    slugs = Tenant.objects.filter(isolation=level).order_by("id").values_list("slug", flat=True)
    callers = [caller_of(slug) for slug in slugs[: max(POINTS)]]
    rows = []
    bound = recycling.MOST_TENANTS
    for renewed in (False, True):
        recycling.MOST_TENANTS = bound if renewed else 10**9
        found = asyncio.run(serve(callers))
        rows += [{"level": level, "renewed": renewed, **row} for row in found]
    recycling.MOST_TENANTS = bound
    return rows


async def serve(callers: Sequence[Caller]) -> list[dict[str, Any]]:
    """On a pool of one connection: the peak so far at each of POINTS, and at the last tenant."""
    from tenants.pool import close_pool, open_pool, public_connection

    vectors, statement = await embed_questions(), documents_statement(callers[0])
    await open_pool(size=1)
    peak, rows, start = Peak(), [], time.perf_counter()
    for number, caller in enumerate(callers, start=1):
        await serve_one(caller, vectors[0], statement)
        if number == 1 or number % EVERY == 0 or number == len(callers):
            async with public_connection() as connection:
                used = await (await connection.execute(USED)).fetchone()
            assert used
            peak.note(used["pid"], used["bytes"])
        if number in POINTS or number == len(callers):
            seconds = time.perf_counter() - start
            rows.append(
                {
                    "tenants": number,
                    "contexts_mb": peak.contexts_mb,
                    "private_mb": peak.private_mb,
                    "backends": len(peak.backends),
                    "ms_a_tenant": seconds / number * 1000,
                }
            )
    await close_pool()
    return rows


async def serve_one(caller: Caller, vector: np.ndarray, statement: str) -> None:
    """What a question does, and a page of documents."""
    from retrieval.query.budget import Purse
    from retrieval.query.record import begin_trace, finish_trace
    from retrieval.query.request import AnswerRequest, SearchRequest
    from retrieval.query.run import Run
    from retrieval.query.search import search
    from tenants.pool import tenant_transaction

    asked = AnswerRequest(QUESTIONS[0], starts_conversation=True)
    run = Run(caller, asked, asked.question, Purse())
    await begin_trace(run)
    async with tenant_transaction(caller.tenant) as connection:
        run.outcome.hits = await search(connection, caller, SearchRequest(QUESTIONS[0]), vector)
    async with tenant_transaction(caller.tenant) as connection:
        await connection.execute(statement, [caller.tenant.id, *caller.access_levels])
    run.outcome.status = "succeeded"
    await finish_trace(run)


def documents_statement(caller: Caller) -> str:
    """As the page of documents asks."""
    from retrieval.selectors import visible_documents
    from tenants.context import _current

    token = _current.set(caller.tenant)
    try:
        statement, _ = visible_documents(caller.access_levels)[:25].query.sql_with_params()
    finally:
        _current.reset(token)
    return statement


if __name__ == "__main__":
    main()
