"""Every kind of source. A new one is added here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest
from retrieval.connectors.folder import FolderConnector
from retrieval.connectors.upload import UploadConnector
from retrieval.connectors.web import WebConnector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrieval.connectors.base import Connector

CONNECTORS: dict[str, type[Connector]] = {
    connector.kind: connector for connector in (UploadConnector, FolderConnector, WebConnector)
}


def connector_class(kind: str) -> type[Connector]:
    """Raises InvalidRequest."""
    if kind not in CONNECTORS:
        raise InvalidRequest(
            f"There is no source of kind {kind!r}; there are {', '.join(CONNECTORS)}.",
            extra={"field": "kind"},
        )
    return CONNECTORS[kind]


def open_connector(
    kind: str, config: Mapping[str, Any], credentials: Mapping[str, str]
) -> Connector:
    return connector_class(kind)(config, credentials)
