"""JSON bodies, read with a limit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest, TooLarge

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_BODY = 2_000_000


async def read_json(request: Request) -> dict[str, Any]:
    """Raises TooLarge, or InvalidRequest for what is not a JSON object."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"The request is larger than {LARGEST_BODY // 1000} kB: send less.")
    try:
        value = json.loads(body)
    except ValueError:
        raise InvalidRequest("The body is not JSON.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return value
