"""The web server: granian, with workers that do not outlive its main process."""

from __future__ import annotations

import multiprocessing
import os
import signal

from granian.cli import entrypoint

from ragadmin.embedded.process import die_with_parent


def tie_to_main_process() -> None:
    die_with_parent(signal.SIGKILL, os.getppid())


if __name__ == "__main__":
    # Granian forks its workers where it can ...
    os.register_at_fork(after_in_child=tie_to_main_process)
    entrypoint()
elif multiprocessing.parent_process() is not None:
    # ... and elsewhere starts them anew, which imports this file under another name.
    tie_to_main_process()
