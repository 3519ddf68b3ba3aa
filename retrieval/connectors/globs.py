"""Patterns that say which files of a folder count. They mean what they mean in a .gitignore.

`*.md` and `drafts` match a file or folder of that name anywhere; with a slash inside or in front a
pattern counts from the folder of the source: `guides/*.md`, `/readme.md`. `*` and `?` stay within a
name, `**` spans folders, `[a-c]` is one letter of these. What matches a folder matches all in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragadmin.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PATTERNS = 100
MAX_PATTERN_LENGTH = 500
_TOKEN = re.compile(r"\*+|\?|\[[!^]?\]?[^]]*\]|.", re.DOTALL)
_FOLDERS = "(?:[^/]+/)*?"
_ENDING = re.compile(r"\.(\w+)$")


def clean_patterns(value: object, field: str) -> list[str]:
    """Raises InvalidRequest."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise _refuse(f"{field} must be a list of patterns, such as *.md or drafts/**.", field)
    patterns = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(patterns) > MAX_PATTERNS:
        raise _refuse(f"{field} has {len(patterns)} patterns; {MAX_PATTERNS} are the most.", field)
    for pattern in patterns:
        _check(pattern, field)
    return patterns


def _check(pattern: str, field: str) -> None:
    if len(pattern) > MAX_PATTERN_LENGTH or "\x00" in pattern or not pattern.strip("/"):
        raise _refuse(
            f"{pattern[:50]!r} is no pattern: write one such as *.md or drafts/**.", field
        )
    try:
        re.compile(_translate(pattern))
    except re.error:
        raise _refuse(
            f"The pattern {pattern!r} cannot be read: check what stands in its brackets.", field
        ) from None


def _refuse(message: str, field: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": f"config.{field}"})


def compile_patterns(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """Matches whole relative paths, folders with a slash at their end; None where there are none."""
    parts = [f"(?:{_translate(pattern)})" for pattern in patterns]
    return re.compile("|".join(parts), re.DOTALL) if parts else None


def _translate(pattern: str) -> str:
    names = pattern.strip("/").split("/")
    if "/" not in pattern.rstrip("/"):
        names.insert(0, "**")
    if set(names) == {"**"}:
        return r".*\Z"
    only_folders = pattern.endswith("/") or names[-1] == "**"
    groups = [_join_names(group) for group in _split_at_stars(names)]
    return _join_groups(groups) + (r"/.*\Z" if only_folders else r"(?:/.*)?\Z")


def _split_at_stars(names: list[str]) -> list[list[str]]:
    """`a/b/**/c` as [[a, b], [c]]; a `**` at the end adds nothing that a folder does not match."""
    groups: list[list[str]] = [[]]
    for name in names:
        if name != "**":
            groups[-1].append(name)
        elif groups[-1] or len(groups) == 1:
            groups.append([])
    return groups if groups[-1] else groups[:-1]


def _join_groups(groups: list[str]) -> str:
    """The first place where a group fits is as good as any later, so there is no way back from it:
    no pattern takes long. Only the last one has to reach the end."""
    first, *others = groups
    inner = [f"(?>{_FOLDERS}{group}(?=/))" for group in others[:-1]]
    last = [f"{_FOLDERS}{group}" for group in others[-1:]]
    return "/".join([*([first] if first else []), *inner, *last])


def _join_names(names: list[str]) -> str:
    return "/".join(map(_translate_name, names))


def _translate_name(name: str) -> str:
    """Each `*` takes as little as it can and keeps to it, save the last."""
    first, *others = _split_name(name)
    inner = [f"(?>[^/]*?{part})" for part in others[:-1]]
    last = [f"[^/]*{part}(?=/|\\Z)" for part in others[-1:]]
    return "".join([first, *inner, *last])


def _split_name(name: str) -> list[str]:
    """What stands between the stars, translated."""
    parts = [""]
    for token in _TOKEN.findall(name):
        if token.startswith("*"):
            parts.append("")
        else:
            parts[-1] += _translate_token(token)
    return parts


def _translate_token(token: str) -> str:
    if token == "?":  # noqa: S105
        return "[^/]"
    if len(token) == 1:
        return re.escape(token)
    inner = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
    negated = inner.startswith(("!", "^"))
    inner = inner[1:] if negated else inner
    inner = rf"\]{inner[1:]}" if inner.startswith("]") else inner
    return f"(?!/)[{'^' if negated else ''}{inner}]"


def named_endings(patterns: Iterable[str]) -> frozenset[str]:
    """Endings that patterns ask for: `py` of `**/*.py`. Such files are then read as text."""
    found = (_ENDING.search(pattern) for pattern in patterns)
    return frozenset(match[1].lower() for match in found if match)
