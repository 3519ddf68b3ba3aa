"""The messages between a worker and the process that reads its files: JSON, then raw bytes.

File contents and texts are sent as they are: no encoding makes them larger or takes time.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

SIZES = struct.Struct(">II")


def pack(head: dict[str, Any], bodies: Iterable[bytes] = ()) -> bytes:
    encoded = json.dumps(head).encode()
    body = b"".join(bodies)
    return b"".join((SIZES.pack(len(encoded), len(body)), encoded, body))


def unpack_head(encoded: bytes) -> dict[str, Any]:
    return json.loads(encoded)
