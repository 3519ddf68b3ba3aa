"""One child process: started in its own session, ended with its parent, stopped by its own signal."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from ragadmin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Account:
    """The account that a program runs as when it may not run as root."""

    uid: int
    gid: int


@dataclass
class Service:
    """What it takes to run one program: argv, where it logs, how to tell that it serves.

    Must be started from the main thread: Linux tells children of their parent's death when the
    thread that made them ends.
    """

    name: str
    argv: list[str]
    is_ready: Callable[[], bool] = lambda: True
    log_path: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    # Sent by the kernel when the parent is gone, so that nobody is left who could wait.
    orphan_signal: signal.Signals = signal.SIGKILL
    env: dict[str, str] = field(default_factory=dict)
    account: Account | None = None
    cwd: Path | None = None
    stop_seconds: float = 10
    is_database: bool = False

    def start(self) -> subprocess.Popen[bytes]:
        """Output goes to the log file, or else to the pipe `stdout` of the returned process."""
        if self.log_path is None:
            return self._spawn(subprocess.PIPE)
        with self.log_path.open("ab") as output:
            return self._spawn(output)

    def _spawn(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        parent = os.getpid()
        return subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.env},
            cwd=self.cwd,
            start_new_session=True,
            # Runs after the change of account, which would make the kernel forget the request.
            preexec_fn=lambda: die_with_parent(self.orphan_signal, parent),
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
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

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.send_signal(self.stop_signal)
        try:
            process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        end_group(process.pid)
        if process.stdout:
            process.stdout.close()


def end_group(leader: int) -> None:
    """Ends what a program has left behind in its session."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def die_with_parent(signal_number: int, parent: int) -> None:
    """Asks Linux to end this process when `parent` dies, also by SIGKILL."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:  # it died before the request
        os._exit(1)
