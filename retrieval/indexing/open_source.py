"""A source's connector with its secrets, which are stored encrypted and decrypted for it only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from retrieval.connectors.registry import connector_class, open_connector
from tenants.secrets import decrypt, encrypt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrieval.connectors.base import Connector
    from retrieval.models import Source
    from tenants.context import TenantLike


def open_source(tenant: TenantLike, source: Source) -> Connector:
    """Raises SourceUnavailable where the tenant may not read it any more, ConfigurationError."""
    connector_class(source.kind).check_place(source.config, tenant_slug=tenant.slug)
    return open_connector(source.kind, source.config, read_credentials(source))


def read_credentials(source: Source) -> dict[str, str]:
    """Raises ConfigurationError when they were encrypted by another installation."""
    return json.loads(decrypt(source.credentials_encrypted)) if source.credentials_encrypted else {}


def seal_credentials(credentials: Mapping[str, str]) -> str:
    kept = {name: value for name, value in credentials.items() if value}
    return encrypt(json.dumps(kept)) if kept else ""
