"""What a new tenant costs, beside the bare SQL of the same tables on the same server."""

from __future__ import annotations

import time

import psycopg

from benchmarks.common import median_ms, percentile, report, temporary_folder
from benchmarks.database import database

TENANTS = 40


def main() -> None:
    with temporary_folder() as folder, database(folder) as url:
        bare, whole = [], []
        for number in range(TENANTS):
            bare.append(time_raw_sql(url, number))
            whole.append(time_create_tenant(number))
    ours, theirs = whole[1:], bare[1:]  # the first of each compiles the SQL and warms the catalog
    rows = [
        {
            "what": what,
            "median_ms": median_ms(seconds),
            "p95_ms": percentile(seconds, 0.95) * 1000,
            "first_ms": first * 1000,
        }
        for what, seconds, first in (
            ("create_tenant", ours, whole[0]),
            ("bare SQL", theirs, bare[0]),
        )
    ]
    report("tenants", rows, ratio=median_ms(ours) / median_ms(theirs))


def time_create_tenant(number: int) -> float:
    from tenants.services import create_tenant

    start = time.perf_counter()
    create_tenant(slug=f"bench-{number}")
    return time.perf_counter() - start


def time_raw_sql(url: str, number: int) -> float:
    from tenants.schema import compiled_schema

    sql, _ = compiled_schema()
    schema = f"raw_{number}"
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
