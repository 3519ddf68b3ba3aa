"""What a new tenant costs at each level, beside the bare SQL of a schema's tables on the same server."""

from __future__ import annotations

import time

import psycopg

from benchmarks.common import median_ms, percentile, report, temporary_folder
from benchmarks.database import database

TENANTS = 40
LEVELS = ("schema", "partition", "shared")


def main() -> None:
    with temporary_folder() as folder, database(folder) as url:
        seconds: dict[str, list[float]] = {"bare SQL": [], **{level: [] for level in LEVELS}}
        for number in range(TENANTS):
            seconds["bare SQL"].append(time_raw_sql(url, f"raw_{number}"))
            for level in LEVELS:
                seconds[level].append(time_create_tenant(f"bench-{level}-{number}", level))
    rows = [
        {
            "what": what,
            "median_ms": median_ms(times[1:]),
            "p95_ms": percentile(times[1:], 0.95) * 1000,
            "first_ms": times[0] * 1000,  # compiles the SQL, makes the pool, warms the catalog
        }
        for what, times in seconds.items()
    ]
    ratio = median_ms(seconds["schema"][1:]) / median_ms(seconds["bare SQL"][1:])
    report("tenants", rows, ratio=ratio)


def time_create_tenant(slug: str, isolation: str) -> float:
    from tenants.services import create_tenant

    start = time.perf_counter()
    create_tenant(slug=slug, isolation=isolation)
    return time.perf_counter() - start


def time_raw_sql(url: str, schema: str) -> float:
    from tenants.schema import compiled_schema

    sql, _ = compiled_schema()
    with psycopg.connect(url, autocommit=True) as connection:
        start = time.perf_counter()
        statements = (
            f"BEGIN; CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}, extensions;"
            f"{sql}COMMIT"
        )
        connection.execute(statements.encode())
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
