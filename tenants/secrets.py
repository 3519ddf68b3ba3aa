"""Credentials at rest: what must be read again is encrypted, what need not be is hashed."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from ragadmin.errors import ConfigurationError
from ragadmin.installation import derive_secret


@lru_cache(maxsize=1)
def _fernet() -> Fernet:
    key = bytes.fromhex(derive_secret("credentials", settings.SECRET_KEY))
    return Fernet(base64.urlsafe_b64encode(key))


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Raises ConfigurationError when the secret key is not the one that encrypted."""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise ConfigurationError(
            "A stored credential cannot be read: RAGADMIN_SECRET_KEY has changed. Enter it again."
        ) from None


def hash_key(key: str) -> str:
    """SHA-256 of an API key. It has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).hexdigest()
