"""A long text in pieces that a browser can show, each ending where a paragraph does."""

from __future__ import annotations

# So many characters make a piece, and at most so many more are taken to end it well.
PIECE = 12_000
TAIL = 3_000


class TextPages:
    """What Django's paginator takes pages from: one piece each."""

    ordered = True

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = _find_ends(text)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, wanted: slice) -> list[str]:
        starts = [0, *self._ends]
        return [self._text[starts[at] : starts[at + 1]] for at in range(len(self))[wanted]]


def _find_ends(text: str) -> list[int]:
    ends: list[int] = []
    start = 0
    while start < len(text):
        start = _end_of_piece(text, start)
        ends.append(start)
    return ends


def _end_of_piece(text: str, start: int) -> int:
    """At a blank line, or else at the end of a line, or else anywhere."""
    soon, latest = start + PIECE, start + PIECE + TAIL
    if latest >= len(text):
        return len(text)
    for mark in ("\n\n", "\n", " "):
        found = text.find(mark, soon, latest)
        if found >= 0:
            return found + len(mark)
    return latest
