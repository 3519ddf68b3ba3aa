"""Server-sent events: a response that ends its source when the reader goes away."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

# One encoder: json.dumps makes a new one for each call that wants plain Unicode.
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {encode(data)}\n\n".encode()


def data_line(data: dict[str, Any]) -> bytes:
    """An event without a name, as OpenAI's streams have."""
    return f"data: {encode(data)}\n\n".encode()


class EventStream(Response):
    """Sends what `source` yields. `source` is closed, at once, when the reader disconnects."""

    media_type = "text/event-stream"

    def __init__(self, source: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        super().__init__(headers={**HEADERS, **headers})
        del self.headers["content-length"]
        self.source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        pump = asyncio.ensure_future(self._pump(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not pump.done():
                pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    async def _pump(self, send: Send) -> None:
        async with contextlib.aclosing(self.source):
            async for piece in self.source:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
