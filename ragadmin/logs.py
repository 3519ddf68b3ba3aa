"""Structured logs: one line an event, with the request id and the tenant in force."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from ragadmin import env

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

log = structlog.get_logger("ragadmin.request")
# Asked every few seconds by whatever watches the process: a line for each would bury the rest.
PROBES = frozenset({"/healthz", "/readyz"})


def configure(*, debug: bool) -> None:
    """JSON lines, or coloured text on a terminal; the standard library's loggers go the same way."""
    is_terminal = sys.stderr.isatty()
    is_text = env.read_str("RAGADMIN_LOG_FORMAT", "text" if is_terminal else "json") == "text"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_text else "iso", utc=not is_text),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            # `up` reads through a pipe and writes to a terminal: it says so.
            colors=env.read_bool("RAGADMIN_LOG_COLOUR", is_terminal),
            exception_formatter=structlog.dev.plain_traceback,
            pad_event_to=0,
        )
        if is_text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    # Some of them would also log headers and secrets.
    for noisy in (
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
        "botocore",
        "aiobotocore",
        "fsspec",
        "s3fs",
        "gcsfs",
        "azure",
        "paramiko",
        "openai",
        "aiohttp",
        "asyncio",
        "django.db.backends",
        "kombu",
        "amqp",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def new_request_id(given: str = "") -> str:
    """The caller's own id if it is plain and short, so that traces join; a new one otherwise."""
    if given and len(given) <= 64 and given.replace("-", "").isalnum():
        return given
    return uuid.uuid4().hex


class RequestLogMiddleware:
    """Gives every console request an id, in the log and in the `X-Request-ID` header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        clear_contextvars()
        request_id = new_request_id(request.headers.get("X-Request-ID", ""))
        bind_contextvars(request_id=request_id)
        start = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        if request.path in PROBES:
            return response
        duration_ms = round((time.perf_counter() - start) * 1000, 1)
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            duration_ms=duration_ms,
        )
        return response
