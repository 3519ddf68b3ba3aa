"""The peer: the least that an ASGI server can do with a streamed answer, which is to pass it on."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import aiohttp

UPSTREAM = os.environ.get("UPSTREAM", "")


@lru_cache(maxsize=1)
def session() -> aiohttp.ClientSession:
    """Made by the first request, because it belongs to the running event loop."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["method"] == "GET":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    headers = {"content-type": "application/json"}
    async with session().post(f"{UPSTREAM}/chat/completions", data=body, headers=headers) as answer:
        kind = [(b"content-type", answer.headers["content-type"].encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": kind})
        async for piece in answer.content.iter_any():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
