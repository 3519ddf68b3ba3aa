"""Names of documents inside an archive, which any unpacker can write anywhere."""

from __future__ import annotations

import posixpath
import re

from tenants.archive.manifest import DOCUMENTS

# What Windows refuses in a name, besides control characters.
FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f\x7f]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
LONGEST_PART = 120
LONGEST = 400


class DocumentNames:
    """Gives each document a name of its own, also where capitals do not count."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, path: str) -> str:
        parts = [
            _safe_part(part) for part in path.split("/") if part.strip() not in {"", ".", ".."}
        ]
        name = "/".join(parts or ["document"])
        if len(name) > LONGEST:
            name = parts[-1]
        if not self._files.isdisjoint(_above(name.casefold())):
            # A document's name cannot be a folder too.
            name = name.replace("/", "_")
        stem, suffix = posixpath.splitext(name)
        number, taken = 1, name
        while self._clashes(taken):
            number += 1
            taken = f"{stem} ({number}){suffix}"
        self._note(taken)
        return DOCUMENTS + taken

    def _clashes(self, name: str) -> bool:
        key = name.casefold()
        return key in self._files or key in self._folders

    def _note(self, name: str) -> None:
        key = name.casefold()
        self._files.add(key)
        self._folders.update(_above(key))


def _above(name: str) -> list[str]:
    """The folders that lead to it."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _safe_part(part: str) -> str:
    safe = FORBIDDEN.sub("_", part).strip().rstrip(".")[:LONGEST_PART].rstrip(". ") or "_"
    return f"_{safe}" if RESERVED.match(safe) else safe
