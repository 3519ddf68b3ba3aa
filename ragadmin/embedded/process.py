"""One child process: started in its own session, ended with its parent, stopped by its own signal."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ragadmin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1


@dataclass
class Service:
    """What it takes to run one outside program: argv, where it logs, how to tell that it serves."""

    name: str
    argv: list[str]
    is_ready: Callable[[], bool]
    log_path: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    env: dict[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        if self.log_path is None:
            return self._spawn(subprocess.PIPE)
        with self.log_path.open("ab") as output:
            return self._spawn(output)

    def _spawn(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.env},
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    def wait_until_ready(self, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
        """Raises ConfigurationError with the end of the log if the service ends or stays silent."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            if self.is_ready():
                return
            time.sleep(0.03)
        raise ConfigurationError(f"{self.name} did not start: {self.last_line() or 'no output'}")

    def last_line(self) -> str:
        if not self.log_path or not self.log_path.exists():
            return ""
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def stop(self, process: subprocess.Popen[bytes], seconds: float = 10) -> None:
        if process.poll() is None:
            process.send_signal(self.stop_signal)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _die_with_parent() -> None:
    """Linux ends the child when the parent dies, also by SIGKILL, so that nothing is orphaned."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
