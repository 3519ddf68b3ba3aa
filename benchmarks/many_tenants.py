"""Search for one tenant that is alone, and for the same tenant among ten thousand, in turns.

Two databases of one server: `alone` is a copy made before the others came. BENCH_DATA names a
folder in which the fleet stays, so that it is made once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.common import percentile, report, temporary_folder
from benchmarks.database import database
from benchmarks.fleet import LEVELS, QUESTIONS, Planned, make_patterns, make_tenants, plan_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from tenants.config import Caller

GOAL = 1.2
SHARES = (0.6, 0.2, 0.2)  # schema, partition, shared
TARGET_CHUNKS = 1_000
ROUNDS = 12
SEARCHES = 40
ALONE, FLEET = "alone", "ragadmin"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--fill-seconds", type=float, default=900)
    options = parser.parse_args()
    with data_folder() as folder, database(folder) as url:
        made = build(folder, url, options.tenants, options.chunks, options.fill_seconds)
        rows = compare()
    worst = max(row["ratio"] for row in rows)
    report("many_tenants", rows, goal=GOAL, worst_ratio=worst, reached=worst <= GOAL, **made)


@contextmanager
def data_folder() -> Iterator[Path]:
    if kept := os.environ.get("BENCH_DATA"):
        folder = Path(kept) / "many_tenants"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        yield folder
    else:
        with temporary_folder() as folder:
            yield folder


def build(folder: Path, url: str, tenants: int, chunks: int, seconds: float) -> dict[str, Any]:
    """What was made, by this run or an earlier one. Goes on where one broke off."""
    note = folder / "fleet.json"
    if note.exists():
        return json.loads(note.read_text())
    start = time.monotonic()
    targets = [Planned(f"target-{level}", level, TARGET_CHUNKS) for level in LEVELS]
    planned = plan_fleet(tenants - len(targets), chunks - len(targets) * TARGET_CHUNKS, SHARES)
    prepare_fill(url)
    there = slugs()
    if targets[-1].slug not in there:
        make_patterns()
        make_tenants(targets, seconds, jobs=1)
        copy_alone(url)
    make_tenants([one for one in planned if one.slug not in there], seconds)
    filled = time.monotonic() - start
    vacuum(url)
    there = slugs()
    made = [one for one in (*targets, *planned) if one.slug in there]
    facts = {
        "tenants": len(made),
        "planned_tenants": tenants,
        "chunks": sum(one.chunks for one in made),
        "planned_chunks": chunks,
        "tenants_of": {name: sum(one.isolation == name for one in made) for name in LEVELS},
        "fill_s": round(filled),
        "vacuum_s": round(time.monotonic() - start - filled),
    }
    note.write_text(json.dumps(facts))
    return facts


def slugs() -> set[str]:
    from tenants.models import Tenant

    return set(Tenant.objects.values_list("slug", flat=True))


def prepare_fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("autovacuum = off", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'"):
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")


def copy_alone(url: str) -> None:
    from django.db import connections

    connections.close_all()
    for connection in connections.all():
        connection.close_pool()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    with psycopg.connect(url.removesuffix(FLEET) + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {ALONE} TEMPLATE {FLEET}".encode())


def vacuum(url: str) -> None:
    """As autovacuum would have done by the time of a question."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("autovacuum", "max_wal_size", "checkpoint_timeout"):
            connection.execute(f"ALTER SYSTEM RESET {setting}".encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def compare() -> list[dict[str, Any]]:
    callers = {level: caller_of(f"target-{level}") for level in LEVELS}
    with asyncio.Runner() as alone, asyncio.Runner() as fleet:
        vectors = alone.run(embed_questions())
        runners = {ALONE: alone, FLEET: fleet}
        for name, runner in runners.items():
            runner.run(open_pool_on(name))
        seconds: dict[tuple[str, str], list[float]] = {}
        for turn in range(ROUNDS + 1):
            for level, caller in callers.items():
                for name in sorted(runners, reverse=turn % 2 == 1):
                    found = runners[name].run(time_searches(caller, vectors))
                    if turn:  # the first warms up
                        seconds.setdefault((level, name), []).extend(found)
        for runner in runners.values():
            runner.run(close())
    return [row_of(level, seconds[level, ALONE], seconds[level, FLEET]) for level in LEVELS]


def row_of(level: str, alone: Sequence[float], fleet: Sequence[float]) -> dict[str, Any]:
    row: dict[str, Any] = {"level": level}
    for name, values in (("alone", alone), ("among_all", fleet)):
        row[f"{name}_p50_ms"] = percentile(values, 0.5) * 1000
        row[f"{name}_p99_ms"] = percentile(values, 0.99) * 1000
    row["ratio"] = percentile(fleet, 0.5) / percentile(alone, 0.5)
    return row


def caller_of(slug: str) -> Caller:
    from tenants.access import tenant_config
    from tenants.config import Caller
    from tenants.models import Tenant

    tenant = tenant_config(Tenant.objects.get(slug=slug))
    return Caller(tenant, ("public", "internal"), frozenset({"query"}), "benchmark", user_id=1)


async def embed_questions() -> np.ndarray:
    from retrieval.providers.embedders import get_embedder

    return await get_embedder("local:all-MiniLM-L6-v2").embed_questions(QUESTIONS)


async def open_pool_on(name: str) -> None:
    """This event loop's pool, on a database of that name."""
    from django.conf import settings

    from tenants.pool import open_pool

    values = settings.DATABASES["default"]
    settings.DATABASES["default"] = {**values, "NAME": name}
    await open_pool()
    settings.DATABASES["default"] = values


async def close() -> None:
    from tenants.pool import close_pool

    await close_pool()


async def time_searches(caller: Caller, vectors: np.ndarray) -> list[float]:
    from retrieval.query.request import SearchRequest
    from retrieval.query.search import search
    from tenants.pool import tenant_transaction

    seconds = []
    for number in range(SEARCHES):
        place = number % len(QUESTIONS)
        start = time.perf_counter()
        async with tenant_transaction(caller.tenant) as connection:
            hits = await search(connection, caller, SearchRequest(QUESTIONS[place]), vectors[place])
        seconds.append(time.perf_counter() - start)
        assert hits, QUESTIONS[place]
    return seconds


if __name__ == "__main__":
    main()
