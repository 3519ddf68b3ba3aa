"""A thousand tenant schemas: made, checked, migrated with nothing to do and with a column to add.

Beside the bare SQL of the same on the same server, in the same run. `SCHEMAS` says how many.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.common import median_ms, percentile, report, temporary_folder
from benchmarks.database import database
from benchmarks.tenants import time_create_tenant, time_raw_sql
from ragadmin.installation import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenants.compiled import CompiledMigration

SCHEMAS = int(os.environ.get("SCHEMAS", "1000"))
RAW_EVERY = 10
REPEATS = 5


def main() -> None:
    with temporary_folder() as folder, database(folder) as url:
        created = measure_creation(url)
        commands = measure_commands()
        queries = measure_queries()
        columns = measure_column(url)
    rows = [*created, *commands, *queries, *columns]
    medians = {row["what"]: row["median_ms"] for row in rows}
    report(
        "schemas",
        rows,
        schemas=SCHEMAS,
        schemas_a_second=1000 / medians["create_tenant"],
        create_ratio=medians["create_tenant"] / medians["create, bare SQL"],
        column_ratio=medians["a column, migrate_schemas"] / medians["a column, bare SQL loop"],
    )


def measure_creation(url: str) -> list[dict[str, Any]]:
    """Both all along, because making a schema takes longer the more there are."""
    whole, bare = [], []
    for number in range(SCHEMAS):
        whole.append(time_create_tenant(f"fleet-{number}", "schema"))
        if number % RAW_EVERY == 0:
            bare.append(time_raw_sql(url, f"raw_{number}"))
    return [row("create_tenant", whole[1:]), row("create, bare SQL", bare[1:])]


def measure_commands() -> list[dict[str, Any]]:
    return [
        measure_command("migrate_schemas, nothing to do", "migrate_schemas"),
        measure_command("migrate_schemas --check", "migrate_schemas", "--check"),
    ]


def measure_command(what: str, *arguments: str) -> dict[str, Any]:
    """From the start of the process to its end; its CPU time tells how busy the machine was."""
    before = children_cpu()
    seconds = repeat(lambda: run(*arguments))
    return row(what, seconds) | {"cpu_ms": (children_cpu() - before) / len(seconds) * 1000}


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_queries() -> list[dict[str, Any]]:
    from tenants.migrate import check_schemas
    from tenants.schema_fleet import FleetFilter, summarize_fleet

    assert check_schemas() == []
    return [
        row("the check's query", repeat(check_schemas)),
        row("the page's summary", repeat(summarize_fleet)),
        row("the page's list", repeat(lambda: FleetFilter()[0:50])),
        row("the page's list by size", repeat(lambda: FleetFilter(sort="-size")[0:50])),
    ]


def measure_column(url: str) -> list[dict[str, Any]]:
    """For each schema. The loop has the same transactions, on one connection."""
    from tenants.migrate import migrate_schemas

    one, four = compile_columns()
    bare = repeat(lambda: add_column_bare(url), 1)
    single = repeat(lambda: migrate_schemas(one, jobs=1), 1)
    parallel = repeat(lambda: migrate_schemas(four, jobs=4), 1)
    return [
        row("a column, bare SQL loop", bare, SCHEMAS),
        row("a column, migrate_schemas --jobs 1", single, SCHEMAS),
        row("a column, migrate_schemas", parallel, SCHEMAS),
    ]


def add_column_bare(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(SCHEMAS):
            connection.execute(
                f"BEGIN; SET LOCAL search_path = t_fleet_{number}, extensions;"
                "ALTER TABLE retrieval_source ADD COLUMN bare varchar(20) DEFAULT 'red' NOT NULL;"
                "ALTER TABLE retrieval_source ALTER COLUMN bare DROP DEFAULT; COMMIT".encode()
            )


def compile_columns() -> list[tuple[CompiledMigration, ...]]:
    """The project's migrations and one more, and those and another one."""
    from django.db import migrations, models
    from django.db.migrations.loader import MigrationLoader

    from tenants.compiled import compile_after, compiled_migrations

    loader = MigrationLoader(None)
    state = loader.project_state(loader.graph.leaf_nodes("retrieval"))
    found, plans = compiled_migrations(), []
    for name in ("9998_one", "9999_two"):
        field = models.CharField(max_length=20, default="red")
        operation = migrations.AddField("source", f"colour_{name[:4]}", field)
        migration = type("Migration", (migrations.Migration,), {"operations": [operation]})
        found = (*found, compile_after(found, migration(name, "retrieval"), state))
        plans.append(found)
    return plans


def run(*arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True)


def repeat(call: Callable[[], Any], times: int = REPEATS) -> list[float]:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def row(what: str, seconds: list[float], share: int = 1) -> dict[str, Any]:
    return {
        "what": what,
        "times": len(seconds),
        "median_ms": median_ms(seconds) / share,
        "p95_ms": percentile(seconds, 0.95) * 1000 / share,
        "total_s": sum(seconds),
    }


if __name__ == "__main__":
    main()
