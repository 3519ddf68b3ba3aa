"""Originals on their way out: always a download, never something the browser opens on our origin."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, StreamingHttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from django.core.files import File
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

PIECE = 256 * 1024


def attachment(request: HttpRequest, file: File, name: str) -> HttpResponseBase:
    if not isinstance(request, ASGIRequest):
        return FileResponse(
            file, as_attachment=True, filename=name, content_type="application/octet-stream"
        )
    # Under ASGI Django would read a plain iterator to its end before it sends the first byte.
    response = StreamingHttpResponse(_pieces(file), content_type="application/octet-stream")
    response["Content-Disposition"] = f"attachment; filename*=utf-8''{quote(name)}"
    response["Content-Length"] = str(file.size)
    return response


async def _pieces(file: File) -> AsyncIterator[bytes]:
    try:
        while piece := await sync_to_async(file.read)(PIECE):
            yield piece
    finally:
        await sync_to_async(file.close)()
