"""Everything that ragadmin needs, started, watched and stopped together."""

from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING, Any

from django.conf import settings

from ragadmin.embedded import programs
from ragadmin.embedded.data_folder import DataFolder
from ragadmin.embedded.output import Output
from ragadmin.embedded.ports import check_port_is_free
from ragadmin.embedded.postgres import EmbeddedPostgres
from ragadmin.embedded.redis import EmbeddedRedis
from ragadmin.embedded.supervisor import Stopped, Supervisor
from ragadmin.env import read_int, read_str
from ragadmin.first_start import (
    SignIn,
    check_given_services,
    collect_static,
    prepare_installation,
    use_services,
)
from ragadmin.management.base import RagadminCommand

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(RagadminCommand):
    help = "Starts databases, web, worker and beat under one supervisor; Ctrl-C stops all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, help="default: PORT, or 8000")
        parser.add_argument("--no-demo", action="store_true", help="load no demo tenants")

    def handle(self, **options: Any) -> None:
        port = options["port"] or read_int("PORT", 8000, minimum=1, maximum=65535)
        host = read_str("HOST", "127.0.0.1")
        with DataFolder(settings.DATA_DIR) as folder:
            check_port_is_free(host, port)
            output = Output()
            with Supervisor(output, folder.note_processes) as supervisor:
                Start(folder, supervisor, output, host, port).run(demo=not options["no_demo"])
            output.write("ragadmin", "stopped")


class Start:
    """One start, step by step."""

    def __init__(
        self, folder: DataFolder, supervisor: Supervisor, output: Output, host: str, port: int
    ) -> None:
        self.folder = folder
        self.supervisor = supervisor
        self.output = output
        self.host = host
        self.port = port

    def run(self, *, demo: bool) -> None:
        try:
            env = self._start_databases()
            sign_in = self._prepare(demo=demo)
            self._start_programs(env)
            self._welcome(sign_in)
        except Stopped:
            return
        self.supervisor.run()

    def _start_databases(self) -> dict[str, str]:
        """Embedded ones in place of those that the environment does not name."""
        database, redis = read_str("DATABASE_URL"), read_str("REDIS_URL")
        check_given_services(database=database, redis_url=redis)
        password = self.folder.password()
        postgres = None if database else EmbeddedPostgres(self.folder.path / "postgres", password)
        cache = None if redis else EmbeddedRedis(self.folder.path / "redis", password)
        embedded = [part for part in (postgres, cache) if part]
        for part in embedded:
            part.initialise()
        services = [part.service() for part in embedded]
        self.supervisor.start(*services)
        self.supervisor.wait_until_ready(*services)
        if postgres:
            postgres.create_database()
        addresses = {
            "database": postgres.url if postgres else database,
            "redis": cache.url if cache else redis,
        }
        use_services(**addresses)
        self.folder.note_services(**addresses)
        return self._program_env(**addresses)

    def _prepare(self, *, demo: bool) -> SignIn | None:
        collect_static(self._tell)
        self.supervisor.check_stop()
        sign_in = prepare_installation(with_demo=demo, tell=self._tell)
        self.supervisor.check_stop()
        return sign_in

    def _start_programs(self, env: dict[str, str]) -> None:
        web = programs.web(
            self.host,
            self.port,
            workers=read_int("WEB_WORKERS", 1, minimum=1, maximum=64),
            host_header=self._host_header(),
            env=env,
        )
        self.supervisor.start(web)
        self.supervisor.wait_until_ready(web)
        # After it: three programs loading at once would keep the first page waiting.
        self.supervisor.start(programs.worker(self._node_name(), env), programs.beat(env))

    def _welcome(self, sign_in: SignIn | None) -> None:
        self._tell("")
        self._tell(f"ragadmin is ready: http://{self._public_name()}:{self.port}/")
        if sign_in:
            self._tell(f"sign in as {sign_in.email} with the password {sign_in.password}")
        else:
            self._tell("sign in with your account, or make one: manage.py create_operator EMAIL")
        self._tell(f"data in {self.folder.path}; Ctrl-C stops everything")
        self._tell("")

    def _tell(self, text: str) -> None:
        self.output.write("ragadmin", text)

    def _program_env(self, *, database: str, redis: str) -> dict[str, str]:
        return {
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "RAGADMIN_DATA_DIR": str(self.folder.path),
            "RAGADMIN_LOG_FORMAT": read_str("RAGADMIN_LOG_FORMAT", "text"),
            "RAGADMIN_LOG_COLOUR": str(int(self.output.coloured)),
            "PYTHONUNBUFFERED": "1",
        }

    def _node_name(self) -> str:
        """The same at every start, so that a worker takes up again what a killed one held."""
        folder = hashlib.sha256(str(self.folder.path).encode()).hexdigest()[:8]
        return f"worker-{folder}@{socket.gethostname()}"

    def _host_header(self) -> str:
        first = settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS else "localhost"
        return "localhost" if first == "*" else first.lstrip(".")

    def _public_name(self) -> str:
        name = programs.local_address(self.host)
        return f"[{name}]" if ":" in name else name
