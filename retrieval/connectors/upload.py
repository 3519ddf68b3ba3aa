"""Files that people send by hand. They are stored here, so there is nothing to list or fetch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ragadmin.errors import InvalidRequest
from retrieval.connectors.base import Connector, Content, ItemGone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrieval.connectors.base import KnownItem, SkippedItem, SourceItem


class UploadConnector(Connector):
    kind: ClassVar[str] = "upload"
    label: ClassVar[str] = "Uploaded files"
    is_upload: ClassVar[bool] = True

    @classmethod
    def clean_config(cls, config: Mapping[str, Any], *, tenant_slug: str) -> dict[str, Any]:
        if config:
            raise InvalidRequest(
                "A source of uploaded files has no configuration: leave config empty.",
                extra={"field": "config"},
            )
        return {}

    def list_items(self, known: Mapping[str, KnownItem]) -> Iterator[SourceItem | SkippedItem]:
        """Nothing: the run asks no upload source for its items, and so never misses one."""
        return iter(())

    def fetch(self, external_id: str) -> Content:
        raise ItemGone("The stored file is gone: upload it again.")

    def describe(self) -> str:
        return "files uploaded by hand"
