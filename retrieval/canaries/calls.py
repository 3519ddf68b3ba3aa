"""Requests to this very process: the console through Django's client, the hot routes as ASGI."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.middleware.csrf import CSRF_SECRET_LENGTH
from django.test.client import Client, ClientHandler
from django.utils.crypto import get_random_string

from retrieval.query.http import application

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http.response import HttpResponseBase

REFUSED = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    text: str

    @property
    def is_refused(self) -> bool:
        return self.status in REFUSED


@dataclass(frozen=True, slots=True)
class Browser:
    """Somebody's session, as sign-in left it. Several threads may use it at once."""

    client: Client

    def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, Any] | None = None,
    ) -> Reply:
        sent = (form or {"rating": "up"}) if method == "POST" else None
        client = new_client()
        client.cookies[settings.SESSION_COOKIE_NAME] = self._session
        return _read(getattr(client, method.lower())(path, sent, headers=headers))

    def hot_headers(self) -> dict[str, str]:
        """Of the session, with a CSRF token that fits."""
        token = get_random_string(CSRF_SECRET_LENGTH)
        cookies = (
            f"{settings.SESSION_COOKIE_NAME}={self._session}; {settings.CSRF_COOKIE_NAME}={token}"
        )
        return {"cookie": cookies, "x-csrftoken": token}

    @property
    def _session(self) -> str:
        return self.client.cookies[settings.SESSION_COOKIE_NAME].value

    def close(self) -> None:
        self.client.logout()


def new_client() -> Client:
    """A failure is a reply like any other. All clients share the chain of middleware."""
    client = Client(raise_request_exception=False, headers={"host": local_host()})
    client.handler = _handler()
    return client


@cache
def _handler() -> ClientHandler:
    handler = ClientHandler(enforce_csrf_checks=False)
    handler.load_middleware()
    return handler


def call_api(method: str, path: str, key: str, body: Any = None) -> Reply:
    response: Any = new_client().generic(
        method,
        path,
        json.dumps(body or {}) if method not in {"GET", "HEAD"} else "",
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )
    return _read(response)


async def call_hot(path: str, body: Any, headers: Mapping[str, str]) -> Reply:
    """POST to retrieval.query.http, whole: a stream is read to its end."""
    sent: list[dict[str, Any]] = []
    pieces = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> dict[str, Any]:
        if pieces:
            return pieces.pop()
        await asyncio.Event().wait()  # the reader stays
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(_scope(path, headers), receive, send)
    text = b"".join(message.get("body", b"") for message in sent)
    return Reply(sent[0]["status"], text.decode(errors="replace"))


def local_host() -> str:
    """A name under which Django serves this process."""
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    return names[0] if names else "localhost"


def _scope(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    every = {"host": local_host(), "content-type": "application/json", **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in every.items()],
        "client": ("127.0.0.1", 0),
        "server": (local_host(), 80),
    }


def _read(response: HttpResponseBase) -> Reply:
    content: Any = getattr(response, "streaming_content", None)
    body = b"".join(content) if content is not None else getattr(response, "content", b"")
    return Reply(response.status_code, body.decode(errors="replace"))
