"""Pages of a website: those of its sitemap, or all that its links lead to, below one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from retrieval.connectors.base import Connector, Content, ItemGone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrieval.connectors.base import KnownItem, SkippedItem, SourceItem


class WebConnector(Connector):
    kind: ClassVar[str] = "web"
    label: ClassVar[str] = "Website"
    credential_fields: ClassVar[Mapping[str, str]] = {
        "username": "User name",
        "password": "Password",
        "token": "Bearer token",
    }

    @classmethod
    def clean_config(cls, config: Mapping[str, Any], *, tenant_slug: str) -> dict[str, Any]:
        return dict(config)

    def list_items(self, known: Mapping[str, KnownItem]) -> Iterator[SourceItem | SkippedItem]:
        return iter(())

    def fetch(self, external_id: str) -> Content:
        raise ItemGone("The page is not there any more.")

    def describe(self) -> str:
        return str(self.config["url"])

    def link_to(self, external_id: str) -> str:
        return external_id
