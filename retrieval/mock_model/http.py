"""As much HTTP/1.1 as the stub needs: requests out of bytes, responses into bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes


def take_request(received: bytes) -> tuple[Request | None, bytes]:
    """The first whole request and what follows it; None while it is incomplete."""
    head, gap, rest = received.partition(b"\r\n\r\n")
    if not gap:
        return None, received
    first, *lines = head.decode("latin1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip().lower() for name, _, value in fields}
    if headers.get("transfer-encoding") == "chunked":
        body, rest, whole = _take_chunks(rest)
    else:
        length = int(headers.get("content-length", 0))
        body, rest, whole = rest[:length], rest[length:], len(rest) >= length
    if not whole:
        return None, received
    method, target = first.split(" ")[:2]
    return Request(method, target.partition("?")[0], body), rest


def _take_chunks(data: bytes) -> tuple[bytes, bytes, bool]:
    body = b""
    while b"\r\n" in data:
        size, _, data = data.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if len(data) < length + 2:
            break
        body, data = body + data[:length], data[length + 2 :]
        if length == 0:
            return body, data, True
    return b"", b"", False


def json_response(body: Any, status: int = 200, more_headers: str = "") -> bytes:
    return raw_response(json.dumps(body, separators=(",", ":")).encode(), status, more_headers)


def raw_response(body: bytes, status: int = 200, more_headers: str = "") -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Error"
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{more_headers}\r\n"
    )
    return head.encode() + body


def error_response(status: int, message: str, code: str, retry_after_s: int = 0) -> bytes:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    again = f"retry-after: {retry_after_s}\r\n" if retry_after_s else ""
    return json_response({"error": error}, status, again)


def event(data: bytes) -> bytes:
    """One server-sent event as one chunk of the body."""
    payload = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(payload), payload)
