"""Citations checked while they stream: a number that cites nothing never reaches the reader, and an
image is none, because showing it would ask somebody else's server for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrieval.providers.extractive import best_sentence
from retrieval.types import Citation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrieval.types import Hit

_WHOLE = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
# What may still become a citation: an opening bracket with only digits, commas and blanks after.
_OPEN = re.compile(r"\[[\d,\s]{0,15}$")


class CitationFilter:
    """Passes text on; holds back only what may be the beginning of a citation."""

    def __init__(self, ranks: Sequence[int]) -> None:
        self._known = frozenset(ranks)
        self._held = self._last = ""
        self.cited: dict[int, None] = {}

    def feed(self, text: str) -> str:
        """The text that may be shown now."""
        if not self._held and "[" not in text:
            self._last = text[-1:] or self._last
            return text
        pending = self._held + text
        begun = _OPEN.search(pending)
        self._held = pending[begun.start() :] if begun else ""
        ready = pending[: begun.start()] if begun else pending
        return self._without_images(_WHOLE.sub(self._checked, ready) if "[" in ready else ready)

    def finish(self) -> str:
        rest, self._held = self._held, ""
        return self._without_images(rest)

    def _without_images(self, text: str) -> str:
        """A blank between the two signs that make an image of a Markdown link."""
        if self._last == "!" and text.startswith("["):
            text = f" {text}"
        self._last = text[-1:] or self._last
        return text.replace("![", "! [")

    def _checked(self, match: re.Match[str]) -> str:
        numbers = [int(part) for part in match[1].split(",")]
        known = [number for number in numbers if number in self._known]
        self.cited.update(dict.fromkeys(known))
        return "".join(f"[{number}]" for number in known)


def cite(numbers: Iterable[int], hits: Sequence[Hit], question: str) -> tuple[Citation, ...]:
    """One citation a number, with the passage's sentence that says most of what was asked."""
    by_rank = {hit.rank: hit for hit in hits}
    return tuple(
        Citation(
            n=number,
            document_id=hit.document_id,
            chunk_id=hit.chunk_id,
            path=hit.path,
            quote=best_sentence(question, hit),
        )
        for number in sorted(numbers)
        for hit in [by_rank[number]]
    )
