"""Runs the named benchmarks, or all, each in a process of its own, one after the other."""

from __future__ import annotations

import subprocess
import sys

from ragadmin.installation import PROJECT_DIR

ALL = (
    "startup", "tenants", "schemas", "embedding", "indexing", "sync_embedding", "fairness",
    "vector_index", "streaming", "concurrency", "cache_guards", "cache_latency", "search_quality",
    "question_batching", "compression", "diagnosis", "recording",
    "rollup",
)  # fmt: skip
# Run only when named: they take long, or need the network.
LONG = (
    "clone",
    "many_tenants",
    "backend_memory",
    "write_path",
    "sync_scale",
    "worker_memory",
    "document_list",
    "search_cost",
    "dashboard",
)
LONGEST_SECONDS = {
    "many_tenants": 2_400,
    "backend_memory": 3_600,
    "search_cost": 2_400,
    "dashboard": 5_400,
}
USUAL_SECONDS = 900


def main() -> int:
    names = sys.argv[1:] or [*ALL]
    unknown = [name for name in names if name not in {*ALL, *LONG}]
    if unknown:
        sys.stderr.write(
            f"There is no benchmark {unknown[0]!r}; there are {', '.join((*ALL, *LONG))}.\n"
        )
        return 2
    failed = [name for name in names if not run(name)]
    if failed:
        sys.stderr.write(f"Failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def run(name: str) -> bool:
    sys.stdout.write(f"\n{name}\n{'=' * len(name)}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    longest = LONGEST_SECONDS.get(name, USUAL_SECONDS)
    try:
        return subprocess.run(command, cwd=PROJECT_DIR, timeout=longest).returncode == 0
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{name} was stopped after {longest} seconds.\n")
        return False


if __name__ == "__main__":
    sys.exit(main())
