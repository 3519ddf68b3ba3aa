"""JSON by POST, signed as standardwebhooks.com says, so that receivers find a library that checks it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitoring.notifiers.posting import post

if TYPE_CHECKING:
    from monitoring.notifiers.base import Message, Target

PREFIX = "whsec_"


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(text: str) -> bool:
    """Whether it is one by the specification: 24 to 64 bytes in base64 after `whsec_`."""
    if not text.startswith(PREFIX):
        return False
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return 24 <= len(key) <= 64


def send(target: Target, message: Message) -> None:
    """Raises NotifierError."""
    sent_at = target.sent_at or datetime.now(UTC)
    body = json.dumps({"type": message.event, **message.data}, separators=(",", ":")).encode()
    post(target.url, body, sign(target.secret, message.id, int(sent_at.timestamp()), body))


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers: HMAC-SHA256 over id, time (Unix seconds) and body, in base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{digest}",
    }
