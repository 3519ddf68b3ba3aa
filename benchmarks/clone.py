"""A fresh clone, then `make run` until it serves: what somebody new waits for, packages in the cache."""

from __future__ import annotations

import subprocess
import time

from benchmarks.common import (
    Program,
    clean_environment,
    report,
    temporary_folder,
)
from ragadmin.embedded.ports import free_port
from ragadmin.installation import PROJECT_DIR

GOAL_SECONDS = 120


def main() -> None:
    with temporary_folder() as folder:
        clone = folder / "clone"
        start = time.monotonic()
        command = ["git", "clone", "--quiet", str(PROJECT_DIR), str(clone)]
        subprocess.run(command, check=True, timeout=60)
        port = free_port()
        env = clean_environment(clone / ".data", PORT=str(port))
        # The benchmark's own environment must not stand in for the clone's.
        env = {
            name: value for name, value in env.items() if name not in {"VIRTUAL_ENV", "MAKEFLAGS"}
        }
        program = Program(["make", "run"], env=env, log=folder / "make.log", cwd=clone)
        try:
            program.wait_for(f"http://127.0.0.1:{port}/readyz", 400)
            seconds = time.monotonic() - start
        finally:
            program.stop()
    rows = [{"what": "clone_to_ready_s", "value": seconds, "goal": GOAL_SECONDS}]
    report("clone", rows, reached=seconds <= GOAL_SECONDS)


if __name__ == "__main__":
    main()
