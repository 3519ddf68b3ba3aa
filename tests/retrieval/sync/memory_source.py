"""A source whose items are a dictionary, to try plans on: it counts what is read."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, ClassVar

from retrieval.connectors.base import Connector, Content, ItemGone, SkippedItem, SourceItem
from retrieval.indexing.plan import KnownDocument


class MemorySource(Connector):
    kind: ClassVar[str] = "memory"
    reads_cheaply = True

    def __init__(self, files: dict[str, bytes], **fingerprints: str) -> None:
        super().__init__({}, {})
        self.files, self.fingerprints = files, fingerprints
        self.skipped: list[SkippedItem] = []
        self.reads: list[str] = []

    @classmethod
    def clean_config(cls, config: Any, *, tenant_slug: str) -> dict[str, Any]:
        return dict(config)

    def fingerprint(self, name: str) -> str:
        return self.fingerprints.get(name, f"{len(self.files[name])}-1")

    def list_items(self, known: Any) -> Any:
        yield from self.skipped
        for name, data in self.files.items():
            yield SourceItem(name, name, self.fingerprint(name), len(data))

    def fetch(self, external_id: str) -> Content:
        self.reads.append(external_id)
        if external_id not in self.files:
            raise ItemGone("gone")
        return Content(self.files[external_id], external_id, self.fingerprint(external_id))

    def describe(self) -> str:
        return "memory"


class RemoteSource(MemorySource):
    """Reading costs; its fingerprints are made of the content, like etags."""

    reads_cheaply = False
    fingerprints_content = True

    def fingerprint(self, name: str) -> str:
        return hashlib.md5(self.files[name]).hexdigest()


def documents_of(source: MemorySource, **changes: Any) -> list[KnownDocument]:
    """As a sync of `source` has left them."""
    return [
        KnownDocument(
            id=uuid.uuid4(),
            external_id=name,
            path=name,
            fingerprint=source.fingerprint(name),
            content_hash=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            is_indexed=changes.get(name, True),
        )
        for name, data in source.files.items()
    ]
