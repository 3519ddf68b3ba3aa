"""Where a Markdown text's headings stand, and which of them are in force at a place."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
# What can stand above a line of hyphens without being a heading's text: tables, lists, quotes, HTML.
_NOT_PARAGRAPH = re.compile(r" {4}|\t| {0,3}(?:[|>#<]|[-*+][ \t]|\d+[.)][ \t]|-{3,}|={3,})")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
# A longer paragraph with a line below it is a paragraph above a rule.
MAX_UNDERLINED_CHARS = 500
_FENCE_MARKS = ("`", "~")
_RULE_MARKS = ("=", "-")
_MARKS = re.compile(r"\*\*|__|`|\\(?=[^\w\s])|<[^>]+>")


@dataclass(frozen=True, slots=True)
class Heading:
    """`path` holds the titles from the outermost heading down to this one."""

    start: int
    end: int
    level: int
    path: tuple[str, ...]


class Outline:
    def __init__(self, markdown: str) -> None:
        found, self._fences = _scan(markdown)
        self.headings = _nest(found)
        self._starts = [heading.start for heading in self.headings]
        self._markdown = markdown

    def path_of(self, start: int, end: int) -> tuple[str, ...]:
        """The headings that all of `markdown[start:end]` stands under."""
        first = bisect_right(self._starts, start) - 1
        path = self.headings[first].path if first >= 0 else ()
        before_text = first < 0 or self._starts[first] == start
        while (first := first + 1) < len(self._starts) and self._starts[first] < end:
            heading = self.headings[first]
            gap_start = max(start, self.headings[first - 1].end if first else 0)
            # Headings on top of each other lead to one text; one further down parts two.
            before_text = before_text and not self._markdown[gap_start : heading.start].strip()
            path = heading.path if before_text else _common(path, heading.path)
        return path

    def fence_around(self, place: int) -> tuple[int, int] | None:
        """The fenced code that `place` is inside of."""
        index = bisect_right(self._fences, (place, 0)) - 1
        return self._fences[index] if index >= 0 and place < self._fences[index][1] else None

    def best_start(self, first: int, last: int) -> int | None:
        """Where the last of the outermost headings from `first` to `last` begins."""
        found = self.headings[bisect_left(self._starts, first) : bisect_right(self._starts, last)]
        return (
            max(found, key=lambda heading: (-heading.level, heading.start)).start if found else None
        )

    def is_only_headings(self, start: int, end: int) -> bool:
        place, index = start, bisect_right(self._starts, start - 1)
        while index < len(self._starts) and self._starts[index] < end:
            if self._markdown[place : self._starts[index]].strip():
                return False
            place = self.headings[index].end
            index += 1
        return place > start and not self._markdown[place:end].strip()


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


def _nest(found: list[tuple[int, int, int, str]]) -> list[Heading]:
    headings: list[Heading] = []
    above: list[tuple[int, str]] = []
    for start, end, level, title in found:
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, title))
        path = tuple(name for _, name in above if name)
        headings.append(Heading(start, end, level, path))
    return headings


def _scan(markdown: str) -> tuple[list[tuple[int, int, int, str]], list[tuple[int, int]]]:
    """(start, end, level, title) of each heading, and (start, end) of each fenced code."""
    found: list[tuple[int, int, int, str]] = []
    fences: list[tuple[int, int]] = []
    fence, fence_start = "", 0
    # Where the paragraph above begins, if it may be the text of an underlined heading.
    above: int | None = None
    for match in _LINE.finditer(markdown, _front_matter_end(markdown)):
        line, start = match[0].rstrip("\r\n"), match.start()
        mark = line.lstrip(" ")[:1]
        if fence:
            if mark == fence[0] and _closes(line, fence):
                fence = ""
                fences.append((fence_start, match.end()))
        elif mark in _FENCE_MARKS and (opening := _opening_fence(line)):
            fence, fence_start, above = opening, start, None
        elif mark == "#" and (atx := _ATX.match(line)):
            found.append((start, match.end(), len(atx[1]), _plain(atx[2] or "")))
            above = None
        elif above is not None and mark in _RULE_MARKS and (underline := _UNDERLINE.match(line)):
            if start - above <= MAX_UNDERLINED_CHARS:
                level = 1 if underline[1][0] == "=" else 2
                found.append((above, match.end(), level, _plain(markdown[above:start])))
            above = None
        elif not mark or not line.strip() or _NOT_PARAGRAPH.match(line):
            above = None
        elif above is None:
            above = start
    if fence:
        fences.append((fence_start, len(markdown)))
    return found, fences


def _front_matter_end(markdown: str) -> int:
    front = re.match(r"---[ \t]*\r?\n.*?\n---[ \t]*(?:\r?\n|$)", markdown, re.DOTALL)
    return front.end() if front else 0


def _opening_fence(line: str) -> str:
    match = _FENCE.match(line)
    if not match or (match[1][0] == "`" and "`" in match[2]):
        return ""
    return match[1]


def _closes(line: str, fence: str) -> bool:
    match = _FENCE.match(line)
    return bool(match and match[1].startswith(fence) and not match[2].strip())


def _plain(title: str) -> str:
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", title)).split())
