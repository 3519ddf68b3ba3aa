"""What keeping the books adds to an answer: CPU of the web process and of Postgres, with and without.

The same process answers by turns with the ledger's statement and without it; the model is a process of
its own and is not counted. The pairs are close in time, so that what else runs meets both alike.
"""

from __future__ import annotations

import asyncio
import io
import os
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.common import cpu_seconds, manuals, report, stub_model, temporary_folder
from benchmarks.database import database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenants.config import Caller

ROUNDS, QUESTIONS = 16, 40
MODEL = "mock-0-20-0"
GOAL_MS = 1.0


def main() -> None:
    with temporary_folder() as folder, stub_model(folder) as url, database(folder / "data"):
        caller, postgres = prepare(url), postmaster()
        rows = [
            asyncio.run(measure(caller, postgres, "answer of a model", is_cached=False)),
            asyncio.run(measure(caller, postgres, "exact hit", is_cached=True)),
        ]
    added = max(row["added ms"] for row in rows)
    report("recording", rows, goal=f"at most {GOAL_MS} ms of CPU", reached=added <= GOAL_MS)


def prepare(url: str) -> Caller:
    from retrieval.indexing.index import index_next_batch
    from retrieval.services.documents import store_upload
    from tenants.access import tenant_config
    from tenants.config import Caller, ModelEndpoint
    from tenants.services import create_tenant

    tenant = create_tenant(slug="bench", embedding_model="local:all-MiniLM-L6-v2")
    for name, data in manuals().items():
        store_upload(
            tenant=tenant, file=io.BytesIO(data), path=name, access_level="public", uploaded_by=""
        )
    while index_next_batch("bench"):
        pass
    tenant.refresh_from_db()
    config = replace(
        tenant_config(tenant), endpoint=ModelEndpoint("stub", url, "any", MODEL, MODEL)
    )
    query = replace(config.query, llm_cache=False, shadow_share=0.0)
    scopes = frozenset({"query"})
    return Caller(replace(config, query=query), ("public",), scopes, label="bench", user_id=1)


def postmaster() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return psutil.Process(cursor.fetchone()[0]).ppid()


async def measure(caller: Caller, postgres: int, name: str, *, is_cached: bool) -> dict[str, Any]:
    """Milliseconds an answer: the mean of pairs, with the books and without."""
    from retrieval import events
    from retrieval.query.clients import close_clients
    from retrieval.query.redis_store import close_redis
    from tenants.pool import close_pool

    statement = events.ledger.completed
    questions = distinct(is_cached)
    await ask_all(caller, questions, QUESTIONS)
    kept: list[float] = []
    bare: list[float] = []
    for number in range(ROUNDS):
        # Each goes first as often as the other.
        for is_kept in (number % 2 == 0, number % 2 == 1):
            events.ledger.completed = statement if is_kept else ""
            start = cpu(postgres)
            await ask_all(caller, questions, QUESTIONS)
            (kept if is_kept else bare).append((cpu(postgres) - start) / QUESTIONS * 1000)
    events.ledger.completed = statement
    await close_clients()
    await close_redis()
    await close_pool()
    added = [with_books - without for with_books, without in zip(kept, bare, strict=True)]
    return {
        "what": name,
        "answers": 2 * ROUNDS * QUESTIONS,
        "without ms": statistics.mean(bare),
        "with ms": statistics.mean(kept),
        # The clock of the kernel is too coarse for a median.
        "added ms": statistics.mean(added),
        "standard error": statistics.stdev(added) / len(added) ** 0.5,
    }


def cpu(postgres: int) -> float:
    return sum(os.times()[:2]) + cpu_seconds(postgres)


def distinct(is_cached: bool) -> Iterator[str]:
    number = 0
    while True:
        number += 0 if is_cached else 1
        yield f"How do I create an API key for case {number}?"


async def ask_all(caller: Caller, questions: Iterator[str], count: int) -> None:
    from retrieval.events import AnswerFailed
    from retrieval.query.answer import answer
    from retrieval.query.request import AnswerRequest

    for _ in range(count):
        async for event in answer(caller, AnswerRequest(next(questions))):
            if isinstance(event, AnswerFailed):
                raise event.error


if __name__ == "__main__":
    main()
