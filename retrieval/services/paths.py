"""The names that documents may have: what people call their files, but nothing that could mislead."""

from __future__ import annotations

import re
import unicodedata

from ragadmin.errors import InvalidRequest
from retrieval.names import MAX_PATH_BYTES, MAX_PATH_LENGTH, misleads

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
    if len(path) > MAX_PATH_LENGTH:
        return f"The path has {len(path)} characters; {MAX_PATH_LENGTH} is the most."
    if any(misleads(letter) for letter in path):
        return "The path holds control characters: rename the file."
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"The path takes {len(path.encode())} bytes; {MAX_PATH_BYTES} are the most."
    if "\\" in path:
        return "The path holds a backslash: put / between folders."
    if _ABSOLUTE.match(path):
        return "The path is absolute: give one relative to the source, such as guides/start.md."
    if any(part.strip() in {"", ".", ".."} for part in path.split("/")):
        return "The path has an empty part, . or ..: give it without."
    return ""
