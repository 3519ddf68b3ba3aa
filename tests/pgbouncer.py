"""PgBouncer in front of the session's Postgres: transactions of many clients over few connections."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from ragadmin.embedded.ports import free_port
from ragadmin.embedded.postgres import UNPRIVILEGED_USER
from ragadmin.embedded.process import Account, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
# Debian puts it where only root's PATH leads.
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
CONFIGURATION = """
[databases]
{database} = host={host} port={server_port} dbname={database}
[users]
{owner} = pool_mode=session
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
"""


class PgBouncer:
    """In transaction mode for the runtime role, with `size` server connections for each role."""

    def __init__(self, folder: Path, database_url: str, size: int = 2) -> None:
        self.folder = folder
        self.port = free_port()
        self.size = size
        self.server = conninfo_to_dict(database_url)

    @contextmanager
    def running(self) -> Iterator[PgBouncer]:
        service = self._service()
        process = service.start()
        try:
            service.wait_until_ready(process, 10)
            yield self
        finally:
            service.stop(process)

    @contextmanager
    def in_front_of_django(self, *aliases: str) -> Iterator[PgBouncer]:
        """While it runs, these database aliases (and the async pools of new event loops) use it."""
        with self.running():
            _switch(aliases, str(self.port))
            try:
                yield self
            finally:
                _switch(aliases, str(self.server["port"]))

    def _service(self) -> Service:
        return Service(
            name="pgbouncer",
            argv=[_program(), str(self._write_configuration())],
            is_ready=self._listens,
            log_path=self.folder / "pgbouncer.log",
            stop_signal=signal.SIGTERM,
            account=_account(),
            cwd=self.folder,
        )

    def _write_configuration(self) -> Path:
        self.folder.mkdir(mode=0o755, exist_ok=True)
        runtime = connections["default"].settings_dict
        users = self.folder / "users.txt"
        users.write_text(
            f'"{runtime["USER"]}" "{runtime["PASSWORD"]}"\n'
            f'"{self.server["user"]}" "{self.server["password"]}"\n'
        )
        path = self.folder / "pgbouncer.ini"
        path.write_text(
            CONFIGURATION.format(
                database=self.server["dbname"],
                host=HOST,
                server_port=self.server["port"],
                owner=self.server["user"],
                port=self.port,
                users=users,
                size=self.size,
            )
        )
        return path

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


def _program() -> str:
    path = shutil.which("pgbouncer", path=PLACES)
    if path is None:
        raise RuntimeError(
            "This test needs PgBouncer, and there is none: install it (Debian: apt install "
            "pgbouncer), or run `make test` as root, which does so."
        )
    return path


def _account() -> Account | None:
    """It refuses to run as root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _switch(aliases: tuple[str, ...], port: str) -> None:
    for alias in aliases:
        connection = connections[alias]
        connection.close()
        connection.close_pool()
        connection.settings_dict["PORT"] = port
        connections.settings[alias]["PORT"] = port
