"""The secrets of a source: stored encrypted, decrypted for a connector only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenants.secrets import decrypt, encrypt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrieval.models import Source


def read_credentials(source: Source) -> dict[str, str]:
    """Raises ConfigurationError when they were encrypted by another installation."""
    return json.loads(decrypt(source.credentials_encrypted)) if source.credentials_encrypted else {}


def seal_credentials(credentials: Mapping[str, str]) -> str:
    kept = {name: value for name, value in credentials.items() if value}
    return encrypt(json.dumps(kept)) if kept else ""
