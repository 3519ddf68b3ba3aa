"""Passages that say something new: copies are left out, and maximal marginal relevance on request
(Carbonell and Goldstein 1998)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from retrieval.query.run import Dropped
from retrieval.terms import MOST_READ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.types import Hit

SAME_DIRECTION = 0.97
# Share of a passage's shingles that a better one holds.
CONTAINED = 0.9
SHINGLE = 3
PROBED = 8
_WORD = re.compile(r"\w+")
_NEGATION = frozenset(
    ("no", "not", "never", "none", "neither", "nor", "without", "cannot")
    + ("nicht", "kein", "keine", "nie", "ohne")
)


class Reading(NamedTuple):
    """What is compared of a text. `facts`: passages of one template differ in these, and are no
    copies then."""

    shingles: tuple[tuple[str, ...], ...]
    shingle_set: frozenset[tuple[str, ...]]
    facts: frozenset[str]


@lru_cache(maxsize=MOST_READ)
def _read(text: str) -> Reading:
    words = _WORD.findall(text.lower())
    shingles = tuple(zip(*(words[n:] for n in range(SHINGLE)), strict=False)) or (tuple(words),)
    facts = frozenset(w for w in words if w in _NEGATION or any(c.isdigit() for c in w))
    return Reading(shingles, frozenset(shingles), facts)


class Fingerprint:
    """What makes a passage a copy of another."""

    __slots__ = ("embedding", "hash", "reading")

    def __init__(self, hit: Hit) -> None:
        self.hash, self.embedding, self.reading = hit.content_hash, hit.embedding, _read(hit.text)

    def is_copy_of(self, other: Fingerprint) -> bool:
        if self.hash and self.hash == other.hash:
            return True
        if not self.reading.facts <= other.reading.facts:
            return False
        return self._points_as(other) or self._is_within(other.reading.shingle_set)

    def _points_as(self, other: Fingerprint) -> bool:
        if self.embedding is None or other.embedding is None:
            return False
        return float(self.embedding @ other.embedding) > SAME_DIRECTION

    def _is_within(self, shingles: frozenset[tuple[str, ...]]) -> bool:
        """A few shingles tell nearly always that it is not."""
        own = self.reading.shingles
        probed = own[:: max(1, len(own) // PROBED)]
        if 2 * sum(shingle in shingles for shingle in probed) < len(probed):
            return False
        held = sum(shingle in shingles for shingle in own)
        return held >= CONTAINED * len(own)


def choose(
    hits: Sequence[Hit], top_k: int, mmr_lambda: float = 1.0
) -> tuple[list[Hit], list[Dropped]]:
    """The hits to be shown, and the others with their fate. Of copies the better one stays."""
    if mmr_lambda < 1:
        hits, copies = without_copies(hits, len(hits))
        hits = by_marginal_relevance(hits, top_k, mmr_lambda)
        return list(hits[:top_k]), copies + [Dropped(hit, "ranked_out") for hit in hits[top_k:]]
    return without_copies(hits, top_k)


def without_copies(hits: Sequence[Hit], count: int) -> tuple[list[Hit], list[Dropped]]:
    chosen: list[Hit] = []
    kept: list[Fingerprint] = []
    dropped: list[Dropped] = []
    for hit in hits:
        if len(chosen) == count:
            dropped.append(Dropped(hit, "ranked_out"))
            continue
        print_ = Fingerprint(hit)
        if any(print_.is_copy_of(other) for other in kept):
            dropped.append(Dropped(hit, "duplicate"))
            continue
        chosen.append(hit)
        kept.append(print_)
    return chosen, dropped


def by_marginal_relevance(hits: Sequence[Hit], count: int, mmr_lambda: float) -> list[Hit]:
    """All hits, the first `count` in the order of choice: lambda of relevance, scaled to 0 to 1, less
    (1 - lambda) of the cosine with the nearest of those already chosen."""
    if len(hits) < 2 or any(hit.embedding is None for hit in hits):
        return list(hits)
    vectors = np.stack([hit.embedding for hit in hits if hit.embedding is not None])
    cosines = vectors @ vectors.T
    relevance = mmr_lambda * _scaled([_relevance(hit) for hit in hits])
    chosen, rest = [0], list(range(1, len(hits)))
    nearest = cosines[0].copy()
    while rest and len(chosen) < count:
        best = max(rest, key=lambda n: float(relevance[n] - (1 - mmr_lambda) * nearest[n]))
        chosen.append(best)
        rest.remove(best)
        nearest = np.maximum(nearest, cosines[best])
    return [hits[n] for n in chosen + rest]


def _relevance(hit: Hit) -> float:
    return hit.score if hit.rerank_score is None else hit.rerank_score


def _scaled(values: Sequence[float]) -> np.ndarray:
    """From 0 to 1; what a reranker left out is at 0."""
    numbers = np.array(values, np.float64)
    finite = numbers[np.isfinite(numbers)]
    least, most = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    if len(finite) < len(numbers):
        least -= (most - least) or 1.0
    return (np.nan_to_num(numbers, neginf=least) - least) / ((most - least) or 1.0)
