"""One document of a batch on its way to searchable chunks, and where its text comes from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from django.db.models import F

from ragadmin.errors import NotFound, RagadminError
from retrieval.connectors.base import SourceUnavailable
from retrieval.indexing import extract, files
from retrieval.models import Document
from retrieval.types import ExtractedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from uuid import UUID

    from retrieval.connectors.base import Connector, Content
    from retrieval.indexing.queue import Claim
    from retrieval.models import Source
    from retrieval.types import Passage

# Files that are read under one lease.
GROUP_FILES = 50
GROUP_BYTES = 2**20


@dataclass(slots=True, eq=False)
class Work:
    """`begun` is the document as it was when the batch began."""

    claim: Claim
    begun: Document
    # It is ready and stays so: only its chunks are made anew.
    is_anew: bool = False
    content: Content | None = None
    content_hash: str = ""
    text: ExtractedText | None = None
    # By number of the generation.
    passages: dict[int, list[Passage]] = field(default_factory=dict)
    embedded_chunks: int = 0
    embedded_tokens: int = 0
    error: RagadminError | None = None

    @property
    def is_unchanged(self) -> bool:
        return bool(self.content_hash) and self.content_hash == self.begun.indexed_hash

    @property
    def keeps_text(self) -> bool:
        """Nothing is extracted; at most its chunks are made for another generation."""
        return self.is_anew or self.is_unchanged

    @property
    def size_bytes(self) -> int:
        return len(self.content.data) if self.content else self.begun.size_bytes

    @property
    def kind(self) -> tuple[str, str]:
        """Equal for documents of which one text is as good as another's."""
        return self.content_hash, PurePath(self.filename).suffix.lower()

    @property
    def filename(self) -> str:
        return self.content.filename if self.content else self.begun.path


class Sources:
    """Connectors of one batch, each opened once."""

    def __init__(self) -> None:
        self._open: dict[UUID, Connector] = {}
        self._failed: dict[UUID, RagadminError] = {}

    def read(self, work: Work) -> None:
        """Raises ItemGone, ItemUnreadable, TooLarge, SourceUnavailable, ConfigurationError."""
        source = work.begun.source
        if error := self._failed.get(source.pk):
            raise error
        try:
            content = self._connector(work, source).fetch(work.begun.external_id)
        except SourceUnavailable as error:
            # The others of this batch need not try too.
            self._failed[source.pk] = error
            raise
        files.check_size(len(content.data))
        work.content = content
        work.content_hash = hashlib.sha256(content.data).hexdigest()

    def close(self) -> None:
        for connector in self._open.values():
            connector.close()

    def _connector(self, work: Work, source: Source) -> Connector:
        # Opened only by workers, of documents that are not uploads.
        from retrieval.indexing.open_source import open_source

        if source.pk not in self._open:
            self._open[source.pk] = open_source(work.claim.tenant, source)
        return self._open[source.pk]


def copy_texts(works: Sequence[Work]) -> None:
    """From documents of the same content that are here already. The tenant is in force."""
    wanted = {work.content_hash for work in works if work.content_hash}
    same = Document.objects.filter(content_hash__in=wanted, indexed_hash=F("content_hash"))
    same = same.exclude(pk__in=[work.begun.pk for work in works]).exclude(markdown="")
    same = same.order_by("content_hash").distinct("content_hash")
    rows = same.only("content_hash", "path", "markdown", "title", "media_type", "page_count")
    known = {(row.content_hash, PurePath(row.path).suffix.lower()): row for row in rows}
    for work in works:
        if found := known.get(work.kind):
            text = ExtractedText(found.markdown, found.title, found.media_type, found.page_count)
            work.text = _renamed(text, found.path, work.filename)


def load_texts(works: Sequence[Work]) -> None:
    """The documents' own, to be cut anew. The tenant is in force."""
    rows = Document.objects.filter(pk__in=[work.begun.pk for work in works])
    found = {row.pk: row for row in rows.only("markdown", "title", "media_type", "page_count")}
    for work in works:
        if row := found.get(work.begun.pk):
            work.text = ExtractedText(row.markdown, row.title, row.media_type, row.page_count)


def extract_texts(works: Sequence[Work], keep_alive: Callable[[], None]) -> None:
    """Equal files once. A file that cannot be read fails its own documents."""
    alike: dict[tuple[str, str], list[Work]] = defaultdict(list)
    for work in works:
        alike[work.kind].append(work)
    for group in _groups([each[0] for each in alike.values()]):
        keep_alive()
        _extract_group(group, keep_alive)
    for first, *others in alike.values():
        for work in others:
            work.error = first.error
            if first.text:
                work.text = _renamed(first.text, first.filename, work.filename)


def _extract_group(works: Sequence[Work], keep_alive: Callable[[], None]) -> None:
    with ExitStack() as opened:
        readable: list[tuple[Work, Path | bytes]] = []
        for work in works:
            try:
                readable.append((work, _content(work, opened)))
            except NotFound as error:
                work.error = error
        contents = [(content, work.filename) for work, content in readable]
        outcomes = extract.extract_many(contents, after_each=keep_alive)
    for (work, _), outcome in zip(readable, outcomes, strict=True):
        if isinstance(outcome, ExtractedText):
            work.text = outcome
        else:
            work.error = outcome


def _content(work: Work, opened: ExitStack) -> Path | bytes:
    if work.content is not None:
        return work.content.data
    return opened.enter_context(files.local_file(work.begun.storage_key))


def _groups(works: Iterable[Work]) -> Iterable[list[Work]]:
    group: list[Work] = []
    size = 0
    for work in works:
        size += work.size_bytes
        if group and (size > GROUP_BYTES or len(group) == GROUP_FILES):
            yield group
            group, size = [], work.size_bytes
        group.append(work)
    if group:
        yield group


def _renamed(text: ExtractedText, old: str, new: str) -> ExtractedText:
    """A file without a title is called by its own name."""
    has_name = text.title == PurePath(old).stem
    title = PurePath(new).stem if has_name else text.title
    return ExtractedText(text.markdown, title, text.media_type, text.page_count)
