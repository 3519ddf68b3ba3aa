"""Sources of an installation that is measured: a folder, and runs over it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from benchmarks.trivial_model import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.common import Installation

COUNTS = ("added", "updated", "deleted", "unchanged", "failed")
OPEN = {"queued", "running"}
# The share of the time so far that is waited before the next look: looking costs the system too.
POLL_SHARE, SHORTEST_POLL_S, LONGEST_POLL_S = 0.05, 0.02, 0.5
# Nothing is to start by itself while something is measured.
NEVER = {"crontab": "0 0 29 2 *"}


def trivial_environment(files: Path) -> dict[str, str]:
    """Of an installation with the model that costs nothing, and `files` open to sources."""
    return {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "RAGADMIN_EMBEDDING_MODEL": MODEL,
        "RAGADMIN_SYNC_ROOTS": str(files),
    }


def make_source(installation: Installation, key: str, files: Path) -> str:
    body = {
        "name": files.name, "kind": "folder", "config": {"url": str(files)},
        "access_level": "public", "schedule": NEVER,
    }  # fmt: skip
    return installation.ask("/api/v1/sources/", key, body)["id"]


def sync(
    installation: Installation, key: str, source: str, seconds: float = 600, **wanted: bool
) -> dict[str, Any]:
    """The run when it is over; `wall_s` from the request until that was seen."""
    start = time.perf_counter()
    begun = installation.ask(f"/api/v1/sources/{source}/sync/", key, wanted)
    while time.perf_counter() - start < seconds:
        run = installation.call("GET", f"/api/v1/sync-runs/{begun['sync_run']}/", key)
        if run["status"] not in OPEN:
            return run | {"wall_s": time.perf_counter() - start}
        so_far = time.perf_counter() - start
        time.sleep(min(LONGEST_POLL_S, max(SHORTEST_POLL_S, POLL_SHARE * so_far)))
    raise RuntimeError(f"The run was not over after {seconds} seconds: {run}")


def worker_seconds(run: dict[str, Any]) -> float:
    """From a worker's taking it up until its end."""
    started, finished = (datetime.fromisoformat(run[f"{at}_at"]) for at in ("started", "finished"))
    return (finished - started).total_seconds()


def check(run: dict[str, Any], **expected: int) -> None:
    """A figure of a run that did something else would be worth nothing."""
    found = {name: run[name] for name in COUNTS if run[name]}
    if run["status"] != "succeeded" or found != expected:
        raise RuntimeError(f"Expected {expected}, but the run {run['status']}: {found} {run}")
