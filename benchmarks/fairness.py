"""How long one tenant's upload takes while another's 5,000 documents are in line, and on an idle system."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

from benchmarks.common import Installation, percentile, report, temporary_folder
from benchmarks.sources import check, make_source, sync, trivial_environment
from benchmarks.write_corpus import write_files

FILES = 5_000
IDLE_UPLOADS = 30
POLL_SECONDS = 0.005
TEXT = (
    "# Page {number}\n\nThis page was uploaded by somebody who waits for it, as number {number}.\n"
)


def main() -> None:
    with temporary_folder() as folder:
        files = folder / "files"
        write_files(files, FILES)
        environment = trivial_environment(files)
        with Installation(folder / "data", env=environment) as installation:
            busy, waiting = (installation.make_tenant(slug) for slug in ("busy", "waiting"))
            upload(installation, waiting, 0)
            idle = [upload(installation, waiting, number) for number in range(1, IDLE_UPLOADS)]
            beside, run = upload_beside(installation, busy, waiting, files)
    rows = [figures("idle", idle), figures(f"beside {FILES} documents", beside)]
    for row in rows:
        row["ratio"] = row["median_s"] / rows[0]["median_s"]
    report("fairness", rows, busy_tenant_s=run["wall_s"])


def upload(installation: Installation, key: str, number: int) -> float:
    """Seconds from sending a document until it can be found."""
    start = time.perf_counter()
    text = TEXT.format(number=number).encode()
    (made,) = installation.upload(key, {f"page-{number}.md": text})
    while True:
        document = installation.call("GET", f"/api/v1/documents/{made}/", key)
        if document["status"] == "ready":
            return time.perf_counter() - start
        if document["status"] == "failed":
            raise RuntimeError(f"The upload failed: {document['error']}")
        time.sleep(POLL_SECONDS)


def upload_beside(
    installation: Installation, busy: str, waiting: str, files: Any
) -> tuple[list[float], dict[str, Any]]:
    """Uploads as long as the other tenant's documents are being indexed."""
    runs: list[dict[str, Any]] = []
    source = make_source(installation, busy, files)
    other = threading.Thread(target=lambda: runs.append(sync(installation, busy, source)))
    other.start()
    while installation.call("GET", "/api/v1/documents/?status=ready", busy)["count"] == 0:
        time.sleep(0.02)
    taken = []
    while in_line(installation, busy):
        taken.append(upload(installation, waiting, IDLE_UPLOADS + len(taken)))
    other.join()
    check(runs[0], added=FILES)
    # The last one may have had the system for itself.
    return taken[:-1], runs[0]


def in_line(installation: Installation, key: str) -> int:
    return installation.call("GET", "/api/v1/documents/?status=queued&page_size=1", key)["count"]


def figures(name: str, seconds: list[float]) -> dict[str, Any]:
    return {
        "system": name,
        "uploads": len(seconds),
        "median_s": statistics.median(seconds),
        "p95_s": percentile(seconds, 0.95),
        "longest_s": max(seconds),
    }


if __name__ == "__main__":
    main()
