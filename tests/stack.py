"""The product as it runs: web, worker and, if wanted, the stub of a model, on the session's services."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

from ragadmin.embedded import programs
from ragadmin.embedded.ports import free_port
from ragadmin.embedded.process import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"


class Stack:
    """Uses the settings of `make run`, so that pages are tested with the files they are served with."""

    def __init__(self, services: dict, *, model: str = "", sync_root: Path | None = None) -> None:
        """`model`, such as mock-20-60-5, makes answers come from the stub instead of being quoted.

        Folders below `sync_root` can be sources.
        """
        self.folder: Path = services["folder"]
        self.port, self.model_port = free_port(), free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.model_url = f"http://{HOST}:{self.model_port}/v1"
        self.model = model
        self.env = {
            "DJANGO_SETTINGS_MODULE": "ragadmin.settings.dev",
            "DATABASE_URL": services["database"],
            "REDIS_URL": services["redis"],
            "RAGADMIN_SECRET_KEY": settings.SECRET_KEY,
            "RAGADMIN_DATA_DIR": str(self.folder),
            "RAGADMIN_SYNC_ROOTS": str(sync_root or ""),
            "OPENAI_BASE_URL": self.model_url if model else "",
            "OPENAI_API_KEY": "not-checked" if model else "",
        }
        if model:
            self.env |= {"RAGADMIN_SMALL_MODEL": model, "RAGADMIN_LARGE_MODEL": model}

    @contextmanager
    def running(self, *, worker: bool = True) -> Iterator[Stack]:
        self._prepare()
        with ExitStack() as started:
            for service in self._services():
                started.enter_context(_run(service))
            if worker:
                started.enter_context(self.working())
            yield self

    @contextmanager
    def working(self) -> Iterator[None]:
        """With a worker beside the web process."""
        with _run(self._logged(programs.worker(f"test-{self.port}", self.env))):
            yield

    def _prepare(self) -> None:
        """The embedding model is built once for all sessions, the static files once for this one."""
        models = self.folder / "models"
        if not models.exists():
            shared = settings.DATA_DIR / "models"
            shared.mkdir(parents=True, exist_ok=True)
            models.symlink_to(shared)
        if not (self.folder / "static").exists():
            command = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"]
            subprocess.run(
                command, check=True, cwd=settings.PROJECT_DIR, env={**os.environ, **self.env}
            )

    def _services(self) -> Iterator[Service]:
        if self.model:
            yield self._logged(self._stub())
        yield self._logged(programs.web(HOST, self.port, workers=1, host_header=HOST, env=self.env))

    def _logged(self, service: Service) -> Service:
        service.cwd = settings.PROJECT_DIR
        service.log_path = self.folder / f"{service.name}-{self.port}.log"
        return service

    def _stub(self) -> Service:
        argv = [sys.executable, "-m", "retrieval.mock_model", "--port", str(self.model_port)]
        return Service(
            name="mock-model",
            argv=argv,
            is_ready=self._stub_listens,
            env=self.env,
        )

    def _stub_listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.model_port)) == 0


@contextmanager
def _run(service: Service) -> Iterator[None]:
    process = service.start()
    try:
        service.wait_until_ready(process)
        yield
    finally:
        service.stop(process)
