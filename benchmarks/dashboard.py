"""The figures behind the dashboards of 1,000 tenants over 30 days: database time and queries.

Written by SQL, summed up by the product's own code, with one million metrics and with ten: what is read
has to be independent of them. Named sizes are measured instead: `python -m benchmarks.dashboard 1 3`.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.common import percentile, report, temporary_folder
from benchmarks.database import database
from benchmarks.made_metrics import make_metrics, make_tenants, multiply_metrics
from benchmarks.rollup import roll_up_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.periods import Period

TENANTS = 1_000
MILLION = 1_000_000
# Millions of metrics, the later ones multiples of the first.
SIZES = (1, 10)
LENGTH = timedelta(days=30)
ASKED, FLEET_ASKED = 60, 20
GOAL_MS, GOAL_QUERIES = 100, 15


def main() -> None:
    sizes = tuple(int(each) for each in sys.argv[1:]) or SIZES
    rows: list[dict[str, Any]] = []
    with temporary_folder() as folder, database(folder / "data"):
        tenants = make_tenants(TENANTS)
        end = datetime.now(UTC)
        fill(tenants, end, sizes[0])
        rows += measure(tenants, end)
        for more in sizes[1:]:
            multiply_metrics(end - LENGTH, LENGTH, more // sizes[0], windows=180)
            summed_up(f"{more} million")
            rows += measure(tenants, end)
    goals_met = all(row["p95 ms"] <= GOAL_MS and row["queries"] <= GOAL_QUERIES for row in rows)
    report("dashboard", rows, goal=f"p95 {GOAL_MS} ms, {GOAL_QUERIES} queries", goals_met=goals_met)


def fill(tenants: list[int], end: datetime, millions: int) -> None:
    from monitoring.retention import tend_figures

    for days in range(0, 31, 8):  # as every week makes the partitions of the next
        tend_figures(end - timedelta(days=30 - days))
    make_metrics(tenants, end - LENGTH, LENGTH, millions * MILLION, a_transaction=20_000)
    summed_up(f"{millions} million")


def summed_up(what: str) -> None:
    from tenants.schema import owner

    start = time.monotonic()
    found, _, _ = roll_up_all()
    seconds = time.monotonic() - start
    sys.stderr.write(f"{what}: {found:,} summed up in {seconds:.0f} s\n")
    with owner().cursor() as cursor:  # as autovacuum does
        for table in (
            "recentusage",
            "hourlyusage",
            "dailyusage",
            "hourlyspending",
            "dailyspending",
        ):
            cursor.execute(f"VACUUM ANALYZE monitoring_{table}")


def measure(tenants: list[int], end: datetime) -> list[dict[str, Any]]:
    from monitoring.dashboards import fleet_dashboard, tenant_dashboard
    from monitoring.models import DailyUsage, HourlyUsage
    from monitoring.periods import Period
    from tenants.models import Tenant

    # Those that ask most among them.
    chosen = [*tenants[:20], *random.Random(6).sample(tenants, ASKED - 20)]
    found = Tenant.objects.in_bulk(chosen)

    def period(length: timedelta, bucket: Any, zone: str = "UTC") -> Period:
        return Period(end - length, end, bucket, zone)

    def of_tenant(number: int, length: timedelta, bucket: Any) -> object:
        tenant = found[chosen[number]]
        return tenant_dashboard(tenant, period(length, bucket, tenant.timezone), compare=True)

    def of_fleet(length: timedelta, bucket: Any) -> object:
        return fleet_dashboard(period(length, bucket), compare=True, now=end)

    counts = {"metrics": count_metrics(), "hours": HourlyUsage.objects.count()}
    counts["days"] = DailyUsage.objects.count()
    return [
        {**counts, **timed(name, times, ask)}
        for name, times, ask in (
            ("tenant, 30 days", ASKED, lambda n: of_tenant(n, LENGTH, "day")),
            ("tenant, 24 hours", ASKED, lambda n: of_tenant(n, timedelta(1), "hour")),
            ("fleet, 30 days", FLEET_ASKED, lambda n: of_fleet(LENGTH, "day")),
            ("fleet, 24 hours", FLEET_ASKED, lambda n: of_fleet(timedelta(1), "hour")),
        )
    ]


def timed(name: str, times: int, ask: Callable[[int], object]) -> dict[str, Any]:
    """Of the database alone, and of the whole."""
    from django.db import connection

    spent: list[float] = []
    queries: list[int] = []
    whole: list[float] = []

    def watch(execute: Any, *arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            spent[-1] += time.perf_counter() - start
            queries[-1] += 1

    for number in range(times):
        spent.append(0.0)
        queries.append(0)
        start = time.perf_counter()
        with connection.execute_wrapper(watch):
            ask(number)
        whole.append(time.perf_counter() - start)
    return {
        "shown": name,
        "queries": max(queries),
        "p50 ms": percentile(spent, 0.5) * 1000,
        "p95 ms": percentile(spent, 0.95) * 1000,
        "with Python p50 ms": percentile(whole, 0.5) * 1000,
    }


def count_metrics() -> int:
    from monitoring.models import QueryMetric

    return QueryMetric.objects.count()


if __name__ == "__main__":
    main()
