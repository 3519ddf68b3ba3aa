"""What a run would do: a source's listing compared with the documents that came from it.

Three steps, each only where the one before could not tell: the fingerprint is the same, so the item
is not read; the content is the same, so it is not parsed; a passage is the same, so it is not
embedded (store.py). Nothing is written here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragadmin.errors import TooLarge
from retrieval.connectors.base import (
    Content,
    ItemGone,
    ItemUnreadable,
    KnownItem,
    SkippedItem,
    SourceItem,
)
from retrieval.indexing.run_paths import Entry, entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from uuid import UUID

    from retrieval.connectors.base import Connector

# Fewer deletions than this never need to be confirmed, unless the source lists nothing at all.
FEWEST_TO_CONFIRM = 10


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A current document of the source. `is_indexed`: its content is what is searched.

    `is_new`: this run made it before it was interrupted, and has not read it yet.
    """

    id: UUID
    external_id: str
    path: str
    fingerprint: str
    content_hash: str
    size_bytes: int
    is_indexed: bool
    is_new: bool = False


@dataclass(slots=True)
class Plan:
    """`touched`: unchanged documents whose fingerprint is not what it was."""

    listed: int = 0
    read: int = 0
    documents: int = 0
    renames_are_known: bool = True
    added: list[SourceItem] = field(default_factory=list[SourceItem])
    updated: list[tuple[KnownDocument, SourceItem]] = field(
        default_factory=list[tuple[KnownDocument, SourceItem]]
    )
    renamed: list[tuple[KnownDocument, SourceItem, str]] = field(
        default_factory=list[tuple[KnownDocument, SourceItem, str]]
    )
    deleted: list[KnownDocument] = field(default_factory=list[KnownDocument])
    unchanged: list[KnownDocument] = field(default_factory=list[KnownDocument])
    touched: list[tuple[KnownDocument, Content]] = field(
        default_factory=list[tuple[KnownDocument, Content]]
    )
    failed: list[SkippedItem] = field(default_factory=list[SkippedItem])
    skipped: list[SkippedItem] = field(default_factory=list[SkippedItem])

    @property
    def bytes(self) -> int:
        items = [*self.added, *(item for _, item in self.updated)]
        return sum(item.size or 0 for item in items)

    @property
    def counts(self) -> dict[str, int]:
        """Under the contract's names; a rename is an update."""
        return {
            "added": len(self.added),
            "updated": len(self.updated) + len(self.renamed),
            "deleted": len(self.deleted),
            "unchanged": len(self.unchanged),
            "failed": len(self.failed),
        }

    def as_json(self) -> dict[str, Any]:
        return {
            **self.counts,
            "listed": self.listed,
            "renamed": len(self.renamed),
            "skipped": len(self.skipped),
            "read": self.read,
            "bytes": self.bytes,
        }

    def paths(self) -> dict[str, list[Entry]]:
        renames = [
            entry(item.path, f"renamed from {document.path}", document.id)
            for document, item, _ in self.renamed
        ]
        updates = [entry(item.path, "", document.id) for document, item in self.updated]
        return {
            "added": [entry(item.path) for item in self.added],
            "updated": [*updates, *renames],
            "deleted": [entry(document.path, "", document.id) for document in self.deleted],
            "unchanged": [entry(document.path, "", document.id) for document in self.unchanged],
            "failed": [entry(item.path, item.reason) for item in self.failed],
            "skipped": [entry(item.path, item.reason) for item in self.skipped],
        }


def make_plan(
    connector: Connector,
    documents: Iterable[KnownDocument],
    states: Mapping[str, Mapping[str, Any]],
    *,
    full_check: bool = False,
    keep_alive: Callable[[], None] = lambda: None,
    watch: Callable[[Plan], None] = lambda _: None,
) -> Plan:
    """Lists the source and compares. `states` by external_id, where there is one.

    `watch` gets the plan while it grows. `keep_alive` is called for each item, and may raise to end
    it. Raises SourceUnavailable.
    """
    known = {document.external_id: document for document in documents}
    comparison = _Comparison(connector, known, full_check, keep_alive)
    watch(comparison.plan)
    told = {
        name: KnownItem(document.fingerprint, states.get(name, {}))
        for name, document in known.items()
    }
    for item in connector.list_items(told):
        keep_alive()
        comparison.take(item)
    return comparison.finish()


def plan_retry(documents: Iterable[KnownDocument], failed: Iterable[tuple[str, str]]) -> Plan:
    """Only what failed in an earlier run and is not indexed since. `failed`: external_id and path."""
    known = {document.external_id: document for document in documents}
    plan = Plan(documents=len(known))
    for external_id, path in failed:
        plan.listed += 1
        document = known.get(external_id)
        if document is None or document.is_new:
            plan.added.append(SourceItem(external_id, path, ""))
        elif not document.is_indexed:
            plan.updated.append((document, SourceItem(external_id, path, "", document.size_bytes)))
        else:
            plan.unchanged.append(document)
    return plan


class _Comparison:
    def __init__(
        self,
        connector: Connector,
        known: dict[str, KnownDocument],
        full_check: bool,
        keep_alive: Callable[[], None],
    ) -> None:
        self._connector = connector
        self._full_check = full_check
        self._keep_alive = keep_alive
        self._left = known  # what the listing has not named yet
        self._seen: set[str] = set()
        self._suspects: list[tuple[KnownDocument, SourceItem]] = []
        self.plan = Plan(
            renames_are_known=connector.reads_cheaply or connector.fingerprints_content,
            documents=sum(not document.is_new for document in known.values()),
        )

    def take(self, item: SourceItem | SkippedItem) -> None:
        if isinstance(item, SkippedItem):
            (self.plan.failed if item.is_failure else self.plan.skipped).append(item)
            return
        if item.external_id in self._seen:
            return
        self._seen.add(item.external_id)
        self.plan.listed += 1
        document = self._left.pop(item.external_id, None)
        if document is None or document.is_new:
            self.plan.added.append(item)
        elif self._is_same(document, item):
            self.plan.unchanged.append(document)
        else:
            self._suspects.append((document, item))

    def finish(self) -> Plan:
        self._keep_documents_of_failed_items()
        self.plan.deleted = list(self._left.values())
        if self._connector.reads_cheaply:
            self._compare_contents()
        else:
            self.plan.updated = self._suspects
        self._find_renames()
        return self.plan

    def _is_same(self, document: KnownDocument, item: SourceItem) -> bool:
        """An item that failed for good has its fingerprint too: it is tried again when it changes."""
        same = bool(item.fingerprint) and item.fingerprint == document.fingerprint
        return same and not self._full_check

    def _keep_documents_of_failed_items(self) -> None:
        """What is there but cannot be taken, such as a file grown too large, is not deleted."""
        failed = {name for item in self.plan.failed for name in (item.external_id, item.path)}
        kept = [n for n, document in self._left.items() if n in failed or document.path in failed]
        for name in kept:
            del self._left[name]

    def _compare_contents(self) -> None:
        for document, item in self._suspects:
            content = self._read(item)
            is_same = content and _hash(content) == document.content_hash and document.is_indexed
            if content and is_same:
                self.plan.unchanged.append(document)
                self.plan.touched.append((document, _without_data(content)))
            else:
                self.plan.updated.append((document, item))

    def _find_renames(self) -> None:
        """A new item with the content of one that is gone is that one under another name."""
        gone = [each for each in self.plan.deleted if each.content_hash and each.is_indexed]
        if not gone:
            return
        twins = _Twins(gone)
        added, self.plan.added = self.plan.added, []
        for item in added:
            found = self._find_twin(twins, item)
            if found:
                self.plan.renamed.append((found[0], item, found[1]))
            else:
                self.plan.added.append(item)
        renamed = {document.id for document, _, _ in self.plan.renamed}
        self.plan.deleted = [each for each in self.plan.deleted if each.id not in renamed]

    def _find_twin(self, twins: _Twins, item: SourceItem) -> tuple[KnownDocument, str] | None:
        """With the fingerprint that goes with it now."""
        if self._connector.fingerprints_content:
            found = twins.take(item.fingerprint)
            return (found, item.fingerprint) if found else None
        if not self._connector.reads_cheaply or not twins.may_have(item.size):
            return None
        content = self._read(item)
        found = twins.take(_hash(content)) if content else None
        return (found, content.fingerprint) if found and content else None

    def _read(self, item: SourceItem) -> Content | None:
        """None: the worker that would index it will find out what is wrong."""
        self._keep_alive()
        self.plan.read += 1
        try:
            return self._connector.fetch(item.external_id)
        except (ItemGone, ItemUnreadable, TooLarge):
            return None


class _Twins:
    """Documents that are gone, each found once, by content hash or by fingerprint."""

    def __init__(self, gone: list[KnownDocument]) -> None:
        self._sizes = {document.size_bytes for document in gone}
        self._found: dict[str, list[KnownDocument]] = {}
        for document in gone:
            for key in (document.content_hash, document.fingerprint):
                if key:
                    self._found.setdefault(key, []).append(document)
        self._taken: set[UUID] = set()

    def may_have(self, size: int | None) -> bool:
        return size is None or size in self._sizes

    def take(self, key: str) -> KnownDocument | None:
        for document in self._found.get(key, []):
            if document.id not in self._taken:
                self._taken.add(document.id)
                return document
        return None


def _hash(content: Content) -> str:
    return hashlib.sha256(content.data).hexdigest()


def _without_data(content: Content) -> Content:
    return Content(b"", content.filename, content.fingerprint, content.state)


def why_confirm(plan: Plan, max_deleted_share: float, confirmed: frozenset[str]) -> str:
    """What a person has to agree to first; empty when nothing. `confirmed`: document ids."""
    unconfirmed = [each for each in plan.deleted if str(each.id) not in confirmed]
    if not unconfirmed:
        return ""
    count, total = len(plan.deleted), plan.documents
    if plan.listed == 0:
        return f"The source lists nothing at all, so all of its {total} documents would be deleted."
    if count >= FEWEST_TO_CONFIRM and count > max_deleted_share * total:
        return (
            f"{count} of {total} documents would be deleted, more than the {max_deleted_share:.0%} "
            "that are deleted without asking."
        )
    return ""
