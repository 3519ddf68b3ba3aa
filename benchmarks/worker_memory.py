"""The memory of a worker while it indexes 10,000 documents, looked at after each thousand."""

from __future__ import annotations

import threading
import time
from typing import Any

import psutil

from benchmarks.common import Installation, memory_mb, report, temporary_folder
from benchmarks.sources import check, make_source, sync, trivial_environment
from benchmarks.write_corpus import write_files

FILES = 10_000
STEP = 1_000
POLL_SECONDS = 0.1


def main() -> None:
    with temporary_folder() as folder:
        files = folder / "files"
        write_files(files, FILES)
        with Installation(folder / "data", env=trivial_environment(files)) as installation:
            key = installation.make_tenant("bench")
            worker = installation.pid_of("celery -A ragadmin.celery --quiet worker")
            rows = [memory_of(worker, 0)]
            run = index(installation, key, files, worker, rows)
    # The first thousand load what indexing needs.
    loaded = [row["worker_mb"] for row in rows if row["documents"] >= STEP]
    report("worker_memory", rows, spread_mb=max(loaded) - min(loaded), whole_s=run["wall_s"])


def index(
    installation: Installation, key: str, files: Any, worker: int, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    runs: list[dict[str, Any]] = []
    source = make_source(installation, key, files)
    thread = threading.Thread(target=lambda: runs.append(sync(installation, key, source)))
    thread.start()
    while thread.is_alive():
        ready = installation.call("GET", "/api/v1/documents/?status=ready&page_size=1", key)[
            "count"
        ]
        if ready >= len(rows) * STEP:
            rows.append(memory_of(worker, ready))
        time.sleep(POLL_SECONDS)
    rows.append(memory_of(worker, FILES))
    check(runs[0], added=FILES)
    return runs[0]


def memory_of(worker: int, documents: int) -> dict[str, Any]:
    """Of the process, and of it and its children: extraction is one of them."""
    alone = psutil.Process(worker).memory_info().rss / 2**20
    return {
        "documents": documents,
        "worker_mb": alone,
        "with_children_mb": memory_mb(worker)["pss_mb"],
    }


if __name__ == "__main__":
    main()
