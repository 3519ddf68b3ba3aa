"""Which files of a folder become documents, by their names; the same for every kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from retrieval.connectors.base import MAX_EXTERNAL_ID_BYTES, SkippedItem, SourceItem
from retrieval.connectors.globs import compile_patterns, named_endings
from retrieval.names import (
    DOCUMENT_SUFFIXES,
    MAX_PATH_LENGTH,
    make_legible,
    shorten,
    suffix_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# What systems and editors leave behind. Nobody misses it, so nobody is told.
DROPPINGS = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"}
)


def is_dropping(name: str) -> bool:
    """Hidden, a lock or backup of an editor, or made by the system."""
    return name[0] in ".~" or name[-1] == "~" or name.lower() in DROPPINGS


class Selection:
    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = compile_patterns(include)
        self._exclude = compile_patterns(exclude)
        self._has_patterns = bool(include or exclude)
        self._suffixes = DOCUMENT_SUFFIXES | named_endings(include)
        self._max_bytes = settings.MAX_UPLOAD_BYTES

    def skip_folder(self, path: str) -> SkippedItem | None:
        """Set where nothing in the folder can count, so that it need not be looked into."""
        if self._exclude is not None and self._exclude.match(f"{path}/"):
            return _skip(f"{path}/", "excluded", "excluded by a pattern of the source")
        return None

    def skip_file(self, path: str) -> SkippedItem | None:
        # The usual case first: it comes 100,000 times.
        if not self._has_patterns and path.rpartition(".")[2].lower() in self._suffixes:
            return None
        if self._exclude is not None and self._exclude.match(path):
            return _skip(path, "excluded", "excluded by a pattern of the source")
        if self._include is not None and not self._include.match(path):
            return _skip(path, "excluded", "matches no pattern that the source includes")
        if suffix_of(path) not in self._suffixes:
            return _skip(path, "unsupported_type", "files of this type cannot be read")
        return None

    def make_item(
        self, external_id: str, path: str, size: int, fingerprint: str
    ) -> SourceItem | SkippedItem:
        if size > self._max_bytes:
            limit = self._max_bytes // 2**20
            reason = f"has {size / 2**20:.1f} MiB; {limit} MiB are the most: split it"
            return _skip(path, "too_large", reason, is_failure=True)
        if not (path.isascii() and path.isprintable() and len(path) <= MAX_PATH_LENGTH):
            path = make_legible(path)
            if len(path) > MAX_PATH_LENGTH or len(external_id.encode()) > MAX_EXTERNAL_ID_BYTES:
                reason = "the path is too long: shorten the names of its folders"
                return _skip(path, "bad_path", reason, is_failure=True)
        return SourceItem(external_id, path, fingerprint, size, NO_STATE)


NO_STATE: dict[str, str] = {}


def _skip(path: str, code: str, reason: str, *, is_failure: bool = False) -> SkippedItem:
    return SkippedItem(shorten(make_legible(path)), reason, code, is_failure)
