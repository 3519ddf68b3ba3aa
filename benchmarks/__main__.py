"""Runs the named benchmarks, or all, each in a process of its own, one after the other."""

from __future__ import annotations

import subprocess
import sys

from ragadmin.installation import PROJECT_DIR

ALL = ("startup", "tenants", "schemas", "embedding", "indexing", "streaming")
LONGEST_SECONDS = 900


def main() -> int:
    names = sys.argv[1:] or [*ALL]
    unknown = [name for name in names if name not in {*ALL, "clone"}]
    if unknown:
        sys.stderr.write(
            f"There is no benchmark {unknown[0]!r}; there are {', '.join(ALL)}, clone.\n"
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
    try:
        return subprocess.run(command, cwd=PROJECT_DIR, timeout=LONGEST_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{name} was stopped after {LONGEST_SECONDS} seconds.\n")
        return False


if __name__ == "__main__":
    sys.exit(main())
