"""The data folder of a running `up`: one at a time, what it runs, and where its services listen."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from ragadmin.embedded.process import end_group
from ragadmin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# How long services of a killed supervisor get to end by themselves.
LEFTOVER_SECONDS = 8


class DataFolder:
    """Use as a context manager: holds the folder's lock, and takes the notes back at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes = path / "services.json"
        self._processes = path / "processes.json"

    def __enter__(self) -> DataFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # The lock lives as long as this file is open: a killed supervisor leaves none behind.
            self._lock = (self.path / "lock").open("a+")
            self._take_lock()
            self._end_leftovers()
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {self.path} cannot be used ({error.strerror}): "
                "make it writable or set RAGADMIN_DATA_DIR."
            ) from error
        return self

    def __exit__(self, *error: object) -> None:
        self._notes.unlink(missing_ok=True)
        self._processes.unlink(missing_ok=True)
        self._lock.close()

    def password(self) -> str:
        """The embedded servers' password: made once, and independent of the installation's secret."""
        path = self.path / "embedded_password"
        if not path.exists():
            write_private(path, secrets.token_hex(24))
        return path.read_text()

    def note_services(self, *, database: str, redis: str) -> None:
        """Lets other commands find the running services (ragadmin.installation reads it)."""
        write_private(self._notes, json.dumps({"database": database, "redis": redis}))

    def note_processes(self, numbers: Sequence[int]) -> None:
        found = {number: psutil.Process(number) for number in numbers if psutil.pid_exists(number)}
        started = {str(number): process.create_time() for number, process in found.items()}
        write_private(self._processes, json.dumps(started))

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise ConfigurationError(
                f"ragadmin is already running on the data folder {self.path} (process {holder}): "
                "stop it first, or set RAGADMIN_DATA_DIR to another folder."
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _end_leftovers(self) -> None:
        """Services of a supervisor that was killed: Linux ends them too, but not at once."""
        self._notes.unlink(missing_ok=True)
        left = self._leftovers()
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
        _, stubborn = psutil.wait_procs(left, timeout=LEFTOVER_SECONDS)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for process in left:
            end_group(process.pid)
        self._processes.unlink(missing_ok=True)

    def _leftovers(self) -> list[psutil.Process]:
        if not self._processes.exists():
            return []
        found = []
        for number, created in json.loads(self._processes.read_text()).items():
            try:
                process = psutil.Process(int(number))
                # Numbers are used again: only the same start makes it the same process.
                if abs(process.create_time() - created) < 1:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found


def write_private(path: Path, text: str) -> None:
    """Readable by the owner only, and never seen half-written."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
