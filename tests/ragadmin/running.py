"""`manage.py up` as a child process, as a person would run it."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from ragadmin.embedded.ports import free_port
from ragadmin.installation import PROJECT_DIR

if TYPE_CHECKING:
    import signal

GIVEN_ELSEWHERE = {"DATABASE_URL", "REDIS_URL", "PORT", "HOST", "RAGADMIN_SECRET_KEY"}


class Up:
    """Started on construction; `wait_until_ready` or `wait` follows."""

    def __init__(self, data: Path, *, port: int = 0, **env: str) -> None:
        self.data = data
        self.port = port or free_port()
        # Without a name: gone with this process, whatever becomes of the test.
        self._output, name = tempfile.mkstemp(prefix="ragadmin-up-")
        Path(name).unlink()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--no-demo", "--port", str(self.port)],
            cwd=PROJECT_DIR,
            env=clean_environment(data, **env),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def end(self, number: signal.Signals, seconds: float = 40) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def output(self) -> str:
        return os.pread(self._output, 10**7, 0).decode()

    def wait_until_ready(self, seconds: float = 90) -> float:
        """How long it took from now on."""
        start = time.monotonic()
        wait_for(lambda: "is ready" in self.output() or self.process.poll() is not None, seconds)
        assert self.process.poll() is None, self.output()
        return time.monotonic() - start

    def child(self, *words: str) -> psutil.Process:
        """The direct child whose command line holds all `words`."""
        found = psutil.Process(self.process.pid).children()
        return next(
            process
            for process in found
            if all(any(word in part for part in process.cmdline()) for word in words)
        )

    def status(self, path: str) -> int:
        """0 if nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def clean_environment(data: Path, **env: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in GIVEN_ELSEWHERE}
    settings = {"DJANGO_SETTINGS_MODULE": "ragadmin.settings.dev", "RAGADMIN_DATA_DIR": str(data)}
    return kept | settings | env


def run_command(data: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT_DIR,
        env=clean_environment(data, **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def processes_of(data: Path) -> list[psutil.Process]:
    """Every process that was started with this data folder or works in it."""
    return [process for process in psutil.process_iter() if _belongs_to(process, data)]


def _belongs_to(process: psutil.Process, data: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = [process.cwd(), *process.cmdline()]
        return any(str(data) in word for word in words) or (
            process.environ().get("RAGADMIN_DATA_DIR") == str(data)
        )
    except (psutil.Error, OSError):
        return False


def wait_for(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} seconds"
        time.sleep(0.05)
