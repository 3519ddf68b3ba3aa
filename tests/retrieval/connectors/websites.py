"""A website connector for a test's website, and its listing in short."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrieval.connectors.base import KnownItem, SkippedItem, SourceItem
from retrieval.connectors.web import WebConnector

if TYPE_CHECKING:
    from collections.abc import Iterable


def open_site(url: str, credentials: dict[str, str] | None = None, **config: Any) -> WebConnector:
    settings = {"url": url, "seconds_between_requests": 0, **config}
    return WebConnector(WebConnector.clean_config(settings, tenant_slug="any"), credentials or {})


@dataclass
class Listing:
    items: dict[str, SourceItem] = field(default_factory=dict)
    skipped: dict[str, SkippedItem] = field(default_factory=dict)

    @property
    def known(self) -> dict[str, KnownItem]:
        """As a later listing is told of it."""
        return {url: KnownItem(item.fingerprint, item.state) for url, item in self.items.items()}

    @property
    def paths(self) -> list[str]:
        return sorted("/" + url.split("/", 3)[3] for url in self.items)

    @property
    def reasons(self) -> dict[str, str]:
        return {"/" + path.split("/", 1)[1]: item.code for path, item in self.skipped.items()}


def list_site(
    url: str,
    known: dict[str, KnownItem] | None = None,
    credentials: dict[str, str] | None = None,
    **config: Any,
) -> Listing:
    connector = open_site(url, credentials, **config)
    try:
        return gather(connector.list_items(known or {}))
    finally:
        connector.close()


def gather(found: Iterable[SourceItem | SkippedItem]) -> Listing:
    listing = Listing()
    for item in found:
        if isinstance(item, SourceItem):
            assert item.external_id not in listing.items
            listing.items[item.external_id] = item
        else:
            listing.skipped[item.path] = item
    return listing
