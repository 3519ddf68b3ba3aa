"""Answers without a model: the sentences of the hits that say most of what was asked, quoted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from retrieval.terms import MOST_READ, term_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from retrieval.types import Hit

MODEL = "extractive"
MOST_CANDIDATES = 8
MOST_QUOTES = 3
SHORTEST, LONGEST = 25, 500
RANK_PENALTY = 0.15
# What the question's words weigh beside the cosine, from trying questions on the demo documents.
WORDS_SHARE = 0.25
# A further quote has to be nearly as good as the best one.
GOOD_ENOUGH = 0.75
_SENTENCE_END = re.compile(
    r"(?<=[.!?。！？])[\"'”’)]*\s+(?=[\"'“‘(]?[^\Wa-z_])|\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)])\s)"
)
_MARKUP = re.compile(
    r"^\s*(?:#{1,6}\s+|[-*+]\s+|\d+[.)]\s+|>\s+)|[*`]{1,3}(?=\S)|(?<=\S)[*`]{1,3}"
    # Within a word it is part of a name.
    r"|(?<!\w)_{1,3}(?=\w)|(?<=[^\W_])_{1,3}(?!\w)"
    r"|\[(?=[^\]]*\]\()|\]\([^)]*\)"
)
# What is no sentence: code, headings, the rule below a table's head.
_NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|^#{1,6}\s[^\n]*$|^\s*\|?[\s:|-]*-{3}[\s:|-]*$", re.DOTALL | re.MULTILINE
)
_TABLE_ROW = re.compile(r"^\s*\|(.*)\|\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of the hit with rank `n`; `weight` is from 0 to 1."""

    n: int
    place: int
    text: str
    weight: float


def candidates(question: str, hits: Sequence[Hit]) -> list[Quote]:
    """The sentences with most of the question's words, heaviest first; at least one if any hit.

    A word weighs the less, the more of the hits' sentences hold it; a sentence weighs the less, the
    further down its hit ranks.
    """
    found = [
        (hit.rank, place, sentence, terms)
        for hit in hits
        for place, (sentence, terms) in enumerate(_sentences(hit.text))
    ]
    wanted = set(term_counts(question))
    rarity = {term: 1 / (1 + sum(term in terms for *_, terms in found)) for term in wanted}
    whole = sum(rarity.values()) or 1.0
    quotes = [
        Quote(
            rank,
            place,
            sentence,
            sum(rarity[term] for term in wanted & terms) / whole / (1 + RANK_PENALTY * (rank - 1)),
        )
        for rank, place, sentence, terms in found
    ]
    quotes.sort(key=lambda quote: (-quote.weight, quote.n, quote.place))
    return quotes[:MOST_CANDIDATES] or [
        Quote(hit.rank, 0, _shorten(hit.text), 0.0) for hit in hits[:1]
    ]


def choose(quotes: Sequence[Quote], similarities: np.ndarray | None = None) -> list[Quote]:
    """The best few in reading order. `similarities`: each quote's cosine with the question."""
    if similarities is None:
        scores = [quote.weight for quote in quotes]
    else:
        scores = [
            float(cosine) + WORDS_SHARE * quote.weight
            for quote, cosine in zip(quotes, similarities, strict=True)
        ]
    ranked = sorted(zip(scores, quotes, strict=True), key=lambda pair: -pair[0])[:MOST_QUOTES]
    best = ranked[0][0]
    kept = [quote for score, quote in ranked if score >= GOOD_ENOUGH * best] or [ranked[0][1]]
    return sorted(kept, key=lambda quote: (quote.n, quote.place))


def best_sentence(question: str, hit: Hit) -> str:
    return candidates(question, [hit])[0].text


@lru_cache(maxsize=MOST_READ)
def _sentences(text: str) -> tuple[tuple[str, frozenset[int]], ...]:
    prose = _TABLE_ROW.sub(_as_line, _NOT_PROSE.sub("\n\n", text))
    plain = (" ".join(_MARKUP.sub("", part).split()) for part in _SENTENCE_END.split(prose))
    # What ends in a colon only announces what the quote would leave out.
    kept = [_shorten(part) for part in plain if len(part) >= SHORTEST and not part.endswith(":")]
    return tuple((sentence, frozenset(term_counts(sentence))) for sentence in kept)


def _as_line(row: re.Match[str]) -> str:
    cells = [cell.strip() for cell in row[1].split("|")]
    return "\n\n" + " · ".join(cell for cell in cells if cell) + "\n\n"


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1].rsplit(" ", 1)[0] + "…"
