"""The names that documents may have: what people call their files, but nothing that could mislead."""

from __future__ import annotations

import re
import unicodedata

from ragadmin.errors import InvalidRequest

MAX_LENGTH = 1000
# What fits the index that keeps paths unique: it takes 2,704 bytes in all.
MAX_BYTES = 2000
# Control characters, lone surrogates, line and paragraph separators.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
# They make a name read backwards on the page: `exe.txt` for `txt.exe`.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")


def clean_path(path: str) -> str:
    """The relative path in one Unicode form. Raises InvalidRequest that says what is wrong."""
    path = unicodedata.normalize("NFC", path).strip()
    problem = _find_problem(path)
    if problem:
        raise InvalidRequest(problem, code="bad_path", extra={"field": "path"})
    return path


def _find_problem(path: str) -> str:
    if not path:
        return "The file has no name: give it one."
    if len(path) > MAX_LENGTH:
        return f"The path has {len(path)} characters; {MAX_LENGTH} is the most."
    if any(
        unicodedata.category(letter) in _FORBIDDEN_CATEGORIES or letter in _DIRECTION_MARKS
        for letter in path
    ):
        return "The path holds control characters: rename the file."
    if len(path.encode()) > MAX_BYTES:
        return f"The path takes {len(path.encode())} bytes; {MAX_BYTES} are the most."
    if "\\" in path:
        return "The path holds a backslash: put / between folders."
    if _ABSOLUTE.match(path):
        return "The path is absolute: give one relative to the source, such as guides/start.md."
    if any(part.strip() in {"", ".", ".."} for part in path.split("/")):
        return "The path has an empty part, . or ..: give it without."
    return ""
