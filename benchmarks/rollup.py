"""How fast the ledger is summed up: metrics a second of a backlog, and how long a metric waits under load.

Written by SQL for 1,000 tenants; summed up by the product's own code, every ten seconds as beat does.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.common import percentile, report, temporary_folder
from benchmarks.database import database
from benchmarks.made_metrics import make_metrics, make_tenants

TENANTS = 1_000
BACKLOG = 500_000
LOAD_A_SECOND, LOAD_SECONDS = 2_000, 60
EVERY_SECONDS = 10
GOAL_A_SECOND, GOAL_LAG_SECONDS = 20_000, 60


def main() -> None:
    with temporary_folder() as folder, database(folder / "data"):
        from monitoring.retention import tend_figures

        tenants = make_tenants(TENANTS)
        tend_figures()
        rows = [backlog(tenants, timedelta(minutes=10)), backlog(tenants, timedelta(days=1))]
        lags = under_load(tenants)
    report(
        "rollup",
        rows,
        load_a_second=LOAD_A_SECOND,
        lag_p50_s=percentile(lags, 0.5),
        lag_max_s=max(lags),
        goals_met=max(lags) <= GOAL_LAG_SECONDS
        and min(row["metrics/s"] for row in rows) >= GOAL_A_SECOND,
    )


def backlog(tenants: list[int], length: timedelta) -> dict[str, Any]:
    """Of metrics that were asked within `length`."""
    make_metrics(tenants, datetime.now(UTC) - length, length, BACKLOG, a_transaction=1_000)
    start, cpu = time.perf_counter(), time.process_time()
    found, runs, longest = roll_up_all()
    seconds = time.perf_counter() - start
    assert found == BACKLOG
    return {
        "metrics": found,
        "asked within": str(length),
        "metrics/s": found / seconds,
        "runs": runs,
        "longest run s": longest,
        "own CPU us/metric": (time.process_time() - cpu) / found * 1e6,
    }


def roll_up_all() -> tuple[int, int, float]:
    """Metrics, runs, and seconds of the longest run."""
    from monitoring.rollups import roll_up

    found, runs, longest = 0, 0, 0.0
    while True:
        start = time.perf_counter()
        counted = roll_up()
        if not counted:
            return found, runs, longest
        longest = max(longest, time.perf_counter() - start)
        found, runs = found + counted, runs + 1


def under_load(tenants: list[int]) -> list[float]:
    """Seconds from the commit of each tenth of a second's metrics until they are in the figures."""
    from monitoring.rollups import catch_up

    committed: list[float] = []
    ends = time.monotonic() + LOAD_SECONDS
    writer = threading.Thread(target=_write, args=(tenants, ends, committed))
    writer.start()
    lags: list[float] = []
    while writer.is_alive() or len(lags) < len(committed):
        time.sleep(EVERY_SECONDS)
        before = len(committed)
        catch_up(EVERY_SECONDS * 3)
        lags += [time.monotonic() - at for at in committed[len(lags) : before]]
    return lags


def _write(tenants: list[int], ends: float, committed: list[float]) -> None:
    from django.db import connection

    due = time.monotonic()
    while due < ends:
        make_metrics(tenants, datetime.now(UTC), timedelta(0), LOAD_A_SECOND // 10, 50)
        committed.append(time.monotonic())
        due += 0.1
        time.sleep(max(0.0, due - time.monotonic()))
    connection.close()


if __name__ == "__main__":
    main()
