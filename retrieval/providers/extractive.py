"""Answers without a model: the sentences of the hits that say most of what was asked, quoted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.terms import term_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.types import Hit

MODEL = "extractive"
MOST_SENTENCES = 3
SHORTEST, LONGEST = 25, 500
_SENTENCE_END = re.compile(
    r"(?<=[.!?。！？])[\"'”’)]*\s+(?=[\"'“‘(]?[^\Wa-z_])|\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)"
)
_MARKUP = re.compile(
    r"^\s*(?:#{1,6}\s+|[-*+]\s+|\d+[.)]\s+|>\s+)|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}|\[(?=[^\]]*\]\()|\]\([^)]*\)"
)


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of the hit with this rank."""

    n: int
    text: str


def best_sentences(question: str, hits: Sequence[Hit]) -> list[Quote]:
    """At most MOST_SENTENCES quotes, in the order of the hits and of their text.

    A sentence weighs the rarity, among the hits' sentences, of the question's words it holds, less
    for each rank; with no word in common, the best hit's first sentence stands for it.
    """
    candidates = [
        (hit.rank, place, sentence, frozenset(term_counts(sentence)))
        for hit in hits
        for place, sentence in enumerate(_sentences(hit.text))
    ]
    if not candidates:
        return [Quote(hit.rank, _shorten(hit.text)) for hit in hits[:1]]
    wanted = set(term_counts(question))
    holders = {term: sum(term in terms for *_, terms in candidates) for term in wanted}
    scored = []
    for rank, place, sentence, terms in candidates:
        weight = sum(1 / (1 + holders[term]) for term in wanted & terms)
        scored.append((weight / (1 + 0.15 * (rank - 1)), rank, place, sentence))
    best = max(score for score, *_ in scored)
    if best == 0:
        rank, _, sentence, _ = candidates[0]
        return [Quote(rank, sentence)]
    chosen = sorted(scored, key=lambda item: (-item[0], item[1], item[2]))[:MOST_SENTENCES]
    kept = [item for item in chosen if item[0] >= best / 2]
    return [Quote(rank, sentence) for _, rank, _, sentence in sorted(kept, key=lambda i: i[1:3])]


def _sentences(text: str) -> list[str]:
    plain = (" ".join(_MARKUP.sub("", part).split()) for part in _SENTENCE_END.split(text))
    return [_shorten(part) for part in plain if len(part) >= SHORTEST]


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1].rsplit(" ", 1)[0] + "…"
