"""The three programs of ragadmin itself, as services of the supervisor."""

from __future__ import annotations

import http.client
import signal
import sys
from typing import TYPE_CHECKING

from ragadmin.embedded.process import Service

if TYPE_CHECKING:
    from collections.abc import Callable


def web(host: str, port: int, *, workers: int, host_header: str, env: dict[str, str]) -> Service:
    return Service(
        name="web",
        argv=[
            sys.executable, "-m", "ragadmin.embedded.web", "ragadmin.asgi:application",
            "--interface", "asgi", "--host", host, "--port", str(port), "--workers", str(workers),
            "--no-ws", "--log-level", "warning", "--workers-kill-timeout", "5s",
        ],
        is_ready=answers_ready(host, port, host_header),
        env=env,
    )  # fmt: skip


def worker(node: str, env: dict[str, str]) -> Service:
    return Service(
        name="worker",
        argv=[
            sys.executable, "-m", "celery", "-A", "ragadmin.celery", "--quiet", "worker",
            "--hostname", node, "--pool", "threads", "--concurrency", "8",
            "--without-gossip", "--without-mingle",  # each costs a second at the start
        ],
        env=env,
        # Asks running tasks to end; documents in work are queued again after the next start.
        stop_seconds=8,
    )  # fmt: skip


def beat(env: dict[str, str]) -> Service:
    return Service(
        name="beat",
        argv=[sys.executable, "-m", "celery", "-A", "ragadmin.celery", "--quiet", "beat", "--pidfile="],
        env=env,
        stop_signal=signal.SIGTERM,
    )  # fmt: skip


def local_address(host: str) -> str:
    """Where a program on this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def answers_ready(host: str, port: int, host_header: str) -> Callable[[], bool]:
    def is_ready() -> bool:
        connection = http.client.HTTPConnection(local_address(host), port, timeout=2)
        try:
            connection.request("GET", "/readyz", headers={"Host": host_header})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return is_ready
