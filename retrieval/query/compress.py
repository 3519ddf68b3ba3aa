"""Passages without what is beside the point, before they are put into the prompt.

Words alone decide, so that it costs a millisecond and no model. What is kept is kept to the letter,
and where something was left out a passage has an ellipsis. Citations still quote the whole passage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from retrieval.query.pricing import CHARACTERS_A_TOKEN
from retrieval.terms import MOST_READ, QUESTION_TERMS, term_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.types import Hit

GAP = "… "
# A shorter passage has little to leave out.
SHORTEST = 240
# From this rank on, a sentence has to hold more of the question.
LATER_RANK = 3
# What a sentence has to hold of the most that any sentence holds of the question.
ENOUGH, ENOUGH_LATER = 0.1, 0.2
# Of two sentences that say the same, how much of the longer one's words the shorter one has.
SAME = 0.85
FEWEST_TERMS = 5
_CUT = re.compile(
    r"(?<=[.!?。！？])[\"'”’)]*\s+(?=[\"'“‘(*`]?[^\Wa-z_])"  # sentence ends
    r"|\n\s*\n"
    r"|\n(?=\s*(?:[-*+]|\d+[.)])\s)"  # list items
    r"|\n(?=\s*\|)"  # table rows
    r"|(?<=:)\s*\n"
)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_NEGATIONS = frozenset(term_counts("no not never none neither nor without cannot"))
_QUANTITY = re.compile(
    r"\b(?:how (?:many|much|long|large|big|often|old|far|fast|high|soon)|when|what (?:time|year|date))\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Segment:
    """A sentence, list item, table row, heading or block of code, with the blanks after it."""

    text: str
    terms: frozenset[int]
    weight: float = 0.0
    is_kept: bool = False

    @property
    def is_heading(self) -> bool:
        return self.text.startswith("#")

    @property
    def is_listed(self) -> bool:
        return bool(_ITEM.match(self.text)) or self.is_row

    @property
    def is_row(self) -> bool:
        return self.text.lstrip().startswith("|")

    @property
    def announces(self) -> bool:
        """What follows belongs to it."""
        return self.text.rstrip().endswith(":")


@dataclass(slots=True)
class Passage:
    hit: Hit
    segments: list[Segment] = field(default_factory=list[Segment])

    @property
    def text(self) -> str:
        return self.hit.shown or self.hit.text


def compress(question: str, hits: Sequence[Hit]) -> tuple[list[Hit], int]:
    """The hits as they are to be shown, and about how many tokens that saves."""
    passages = [Passage(hit, _segments(hit.shown or hit.text)) for hit in hits]
    if not _weigh(question, passages):
        return list(hits), 0
    most = max(s.weight for passage in passages for s in passage.segments)
    for place, passage in enumerate(passages, start=1):
        _keep(question, passage, most, place)
    _drop_repeated(passages)
    shortened = [_shortened(passage) for passage in passages]
    before = sum(len(passage.text) for passage in passages)
    after = sum(len(hit.shown or hit.text) for hit in shortened)
    return shortened, max(0, before - after) // CHARACTERS_A_TOKEN


def segments_of(text: str) -> list[str]:
    """The parts of a passage that are kept or left out, each whole."""
    return [part for part, _ in _cut(text)]


def _segments(text: str) -> list[Segment]:
    return [Segment(part, terms) for part, terms in _cut(text)]


@lru_cache(maxsize=MOST_READ)
def _cut(text: str) -> tuple[tuple[str, frozenset[int]], ...]:
    cuts: list[int] = []
    begin = 0
    for fence in _FENCE.finditer(text):
        cuts += [match.end() for match in _CUT.finditer(text, begin, fence.start())]
        cuts += [fence.start(), fence.end()]
        begin = fence.end()
    cuts += [match.end() for match in _CUT.finditer(text, begin)]
    edges = sorted({0, *cuts, len(text)})
    parts = [text[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    return tuple((part, frozenset(term_counts(part))) for part in parts)


def _weigh(question: str, passages: Sequence[Passage]) -> bool:
    """By the question's words, rare ones among the segments more. Whether any segment has one."""
    asked = frozenset(term_counts(question)) - QUESTION_TERMS
    segments = [segment for passage in passages for segment in passage.segments]
    rarity = {term: 1 / (1 + sum(term in s.terms for s in segments)) for term in asked}
    for segment in segments:
        segment.weight = sum(rarity[term] for term in asked & segment.terms)
    return any(segment.weight for segment in segments)


def _keep(question: str, passage: Passage, most: float, place: int) -> None:
    """Marks what is on the subject, with its neighbours, headings and lists."""
    segments = passage.segments
    enough = (ENOUGH if place < LATER_RANK else ENOUGH_LATER) * most
    good = [n for n, s in enumerate(segments) if s.weight and s.weight >= enough]
    if len(passage.text) < SHORTEST or not any(s.weight for s in segments):
        good = list(range(len(segments)))
    kept = set(good)
    reach = 2 if place < LATER_RANK else 1
    for n in good:
        kept.update(range(max(0, n - 1), min(len(segments), n + reach + 1)))
    if _QUANTITY.search(question) and place < LATER_RANK:
        kept.update(n for n, s in enumerate(segments) if any(c.isdigit() for c in s.text))
    for n in kept | _belonging(segments, kept):
        segments[n].is_kept = True


def _belonging(segments: Sequence[Segment], kept: set[int]) -> set[int]:
    """Headings and list heads above what is kept; the lists and blocks that a kept head announces."""
    more: set[int] = set()
    head: int | None = None
    heading: int | None = None
    for n, segment in enumerate(segments):
        if segment.is_heading:
            heading, head = n, None
        elif segment.announces:
            head = n
        elif not segment.is_listed and head is not None and n > head + 1:
            head = None
        if n in kept:
            more.update(place for place in (heading, head) if place is not None)
        elif head is not None and head in kept and segment.is_listed:
            more.add(n)
    rows = [n for n, segment in enumerate(segments) if segment.is_row]
    if any(n in kept for n in rows):
        more.update(rows[:2])
    return more


def _drop_repeated(passages: Sequence[Passage]) -> None:
    """Of sentences that say the same the first stays."""
    said: list[frozenset[int]] = []
    for passage in passages:
        for segment in passage.segments:
            if not segment.is_kept or len(segment.terms) < FEWEST_TERMS:
                continue
            if any(_says_the_same(segment.terms, other) for other in said):
                segment.is_kept = False
            else:
                said.append(segment.terms)


def _says_the_same(terms: frozenset[int], other: frozenset[int]) -> bool:
    """No word of its own, and nearly as many."""
    return (
        len(terms) >= SAME * len(other)
        and terms <= other
        and terms & _NEGATIONS == other & _NEGATIONS
    )


def _shortened(passage: Passage) -> Hit:
    if all(segment.is_kept for segment in passage.segments):
        return passage.hit
    pieces: list[str] = []
    was_kept = True
    for segment in passage.segments:
        if segment.is_kept:
            pieces.append(segment.text)
        elif was_kept:
            pieces.append(GAP)
        was_kept = segment.is_kept
    shown = "".join(pieces)
    left_out = len(passage.text) - len(shown)
    return replace(passage.hit, shown=shown, left_out=left_out) if left_out > 0 else passage.hit
