"""A document's Markdown in passages that fit the embedding model's window.

Whole sections if they fit, else blocks, sentences, words. No overlap: the heading path gives each
passage its context, and each character is found once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from semantic_text_splitter import MarkdownSplitter

from retrieval.indexing.headings import Outline
from retrieval.types import Passage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrieval.providers.base import Embedder

SEPARATOR = " > "
# How much of the model's window the heading path may take.
HEADING_SHARE = 4
# A run without spaces, such as base64, is one unknown token however long it is. Text has about four
# characters other than spaces to a token, so this many to a token is no text.
CHARACTERS_PER_TOKEN = 8

# The splitter takes the square of a block's length, so a long text is given to it in parts.
MAX_PART_CHARS = 100_000

Span = tuple[int, int]


def split(markdown: str, embedder: Embedder, max_tokens: int) -> list[Passage]:
    """Passages of at most `max_tokens`, which with their heading path fit the model's window."""
    return _Splitting(markdown, embedder, max_tokens).passages()


class _Splitting:
    def __init__(self, markdown: str, embedder: Embedder, max_tokens: int) -> None:
        self._markdown = markdown
        self._embedder = embedder
        self._outline = Outline(markdown)
        # What the model adds to every text to mark its beginning and end.
        self._overhead = embedder.count_tokens("")
        window = embedder.max_tokens - self._overhead
        self._paths = self._shorten_paths(window // HEADING_SHARE)
        longest = max(map(self._count, self._paths.values()), default=0)
        self._capacity = max(1, min(max_tokens, window - longest))

    def passages(self) -> list[Passage]:
        spans = self._keep_headings_with_text(self._split(0, len(self._markdown), self._capacity))
        return [self._passage(ordinal, span) for ordinal, span in enumerate(spans)]

    def _passage(self, ordinal: int, span: Span) -> Passage:
        start, end = span
        heading_path = self._paths[self._outline.path_of(start, end)]
        text = self._markdown[start:end]
        embedded = Passage(ordinal, text, heading_path, start, end, 0).embedded_text
        tokens = self._embedder.count_tokens(embedded)
        return Passage(ordinal, text, heading_path, start, end, tokens)

    def _split(self, start: int, end: int, capacity: int) -> list[Span]:
        def size(text: str) -> int:
            return self._size(text, capacity)

        splitter = MarkdownSplitter.from_callback(size, capacity)
        spans: list[Span] = []
        for first, last in self._parts(start, end):
            for place, text in splitter.chunk_indices(self._markdown[first:last]):
                if text.strip():
                    spans.append((first + place, first + place + len(text)))
        return spans

    def _parts(self, start: int, end: int) -> Iterator[Span]:
        while end - start > MAX_PART_CHARS:
            cut = self._choose_cut(start, start + MAX_PART_CHARS)
            yield start, cut
            start = cut
        yield start, end

    def _choose_cut(self, start: int, stop: int) -> int:
        """Before a heading or fenced code, else where a paragraph, a line or a word ends."""
        middle = (start + stop) // 2
        fence = self._outline.fence_around(stop)
        if fence and fence[0] > start:
            return fence[0]
        inside = self._outline.fence_around(start)
        if inside and not fence:
            return inside[1]
        if not fence and (heading := self._outline.best_start(middle, stop)):
            return heading
        ends = ((self._markdown.rfind(mark, middle, stop), mark) for mark in ("\n\n", "\n", " "))
        return next((place + len(mark) for place, mark in ends if place > 0), stop)

    def _size(self, text: str, capacity: int) -> int:
        """In tokens, counted only where the number of characters does not decide."""
        dense = len(text) - text.count(" ")
        least = dense // CHARACTERS_PER_TOKEN
        return least if least > capacity else max(least, self._count(text))

    def _count(self, text: str) -> int:
        return self._embedder.count_tokens(text) - self._overhead

    def _keep_headings_with_text(self, spans: list[Span]) -> list[Span]:
        """A heading that stands alone goes to the text it announces."""
        kept: list[Span] = []
        heading: Span | None = None
        for start, end in spans:
            span = (heading[0], end) if heading else (start, end)
            if self._outline.is_only_headings(*span) and self._is_short(span):
                heading = span
                continue
            kept += self._join(heading, (start, end)) if heading else [(start, end)]
            heading = None
        return [*kept, heading] if heading else kept

    def _is_short(self, span: Span) -> bool:
        return self._size(self._markdown[slice(*span)], self._capacity) <= self._capacity // 2

    def _join(self, heading: Span, body: Span) -> list[Span]:
        joined = (heading[0], body[1])
        if self._size(self._markdown[slice(*joined)], self._capacity) <= self._capacity:
            return [joined]
        room = self._capacity - self._size(self._markdown[slice(*heading)], self._capacity)
        first, *rest = self._split(*body, room)
        return [(heading[0], first[1]), *rest]

    def _shorten_paths(self, room: int) -> dict[tuple[str, ...], str]:
        paths: dict[tuple[str, ...], str] = {(): ""}
        for heading in self._outline.headings:
            for depth in range(len(heading.path), 0, -1):
                path = heading.path[:depth]
                if path in paths:
                    break
                paths[path] = self._shorten(path, room)
        return paths

    def _shorten(self, path: tuple[str, ...], room: int) -> str:
        """The innermost headings say most, so the outermost are left out first."""
        shown = SEPARATOR.join(path)
        while self._size(shown, room) > room and len(path) > 1:
            path = path[1:]
            shown = SEPARATOR.join(("…", *path))
        while self._size(shown, room) > room:
            shown = shown[: len(shown) // 2].rstrip() + "…"
        return shown
