"""Which addresses belong to a website source: those below one folder that its patterns take in."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from retrieval.connectors.globs import compile_patterns
from retrieval.connectors.links import folder_of, origin_of, path_of

if TYPE_CHECKING:
    import re


class Scope:
    """`start` is where the start page was found in the end; `prefix` what all pages begin with."""

    def __init__(self, start: str, prefix: str, include: list[str], exclude: list[str]) -> None:
        self.start = start
        self.prefix = prefix
        self._include = include
        self._exclude = exclude

    def covers(self, url: str) -> bool:
        return url.startswith(self.prefix)

    def includes(self, url: str) -> bool:
        path = path_of(url)
        if self._excluded and self._excluded.match(path):
            return False
        return self._included is None or bool(self._included.match(path))

    @cached_property
    def _included(self) -> re.Pattern[str] | None:
        return compile_patterns(self._include)

    @cached_property
    def _excluded(self) -> re.Pattern[str] | None:
        return compile_patterns(self._exclude)


def is_same_site(url: str, target: str) -> bool:
    """The same origin, or the same host at its usual ports with TLS instead of without."""
    mine, other = origin_of(url), origin_of(target)
    return mine == other or mine.replace("http://", "https://", 1) == other


def move_prefix(prefix: str, url: str, target: str) -> str | None:
    """The prefix after a redirect of the start page. None where it leads somewhere else."""
    if not is_same_site(url, target):
        return None
    if target.partition("?")[0] == f"{_move(url, target)}/":
        return folder_of(target)
    moved = _move(prefix, target)
    return moved if target.startswith(moved) else None


def _move(url: str, target: str) -> str:
    return origin_of(target) + url[len(origin_of(url)) :]
