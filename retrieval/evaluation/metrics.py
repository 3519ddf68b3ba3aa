"""How good an order and an answer are, in numbers. Pure functions; the benchmarks use them too."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Wanted = TypeVar("Wanted")

_TOKEN = re.compile(r"\w+")
_CITATION = re.compile(r"\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\]")


def rank_of_first(gains: Mapping[Wanted, float], order: Sequence[Wanted]) -> int | None:
    """Counted from 1; None where none of what is wanted is in `order`."""
    return next((place for place, each in enumerate(order, start=1) if each in gains), None)


def hit_at(gains: Mapping[Wanted, float], order: Sequence[Wanted], k: int) -> float:
    return float(rank_of_first(gains, order[:k]) is not None)


def reciprocal_rank(gains: Mapping[Wanted, float], order: Sequence[Wanted], k: int) -> float:
    """1 over the rank of the first that is wanted; 0 if none is among the first `k`."""
    rank = rank_of_first(gains, order[:k])
    return 1 / rank if rank else 0.0


def ndcg_at(gains: Mapping[Wanted, float], order: Sequence[Wanted], k: int) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002)."""
    best = sorted(gains.values(), reverse=True)[:k]
    ideal = sum(gain / math.log2(place + 1) for place, gain in enumerate(best, start=1))
    found = (gains.get(each, 0.0) for each in order[:k])
    gained = sum(gain / math.log2(place + 1) for place, gain in enumerate(found, start=1))
    return gained / ideal if ideal else 0.0


def token_f1(expected: str, answer: str) -> float:
    """Harmonic mean of precision and recall over the words, as SQuAD has it (Rajpurkar et al. 2016),
    but with the articles of all languages left in."""
    a, b = Counter(tokens(expected)), Counter(tokens(answer))
    shared = sum((a & b).values())
    if not shared:
        return 0.0
    precision, recall = shared / sum(b.values()), shared / sum(a.values())
    return 2 * precision * recall / (precision + recall)


def token_recall(expected: str, answer: str) -> float:
    """Share of the expected words that are in the answer."""
    a, b = Counter(tokens(expected)), Counter(tokens(answer))
    return sum((a & b).values()) / sum(a.values()) if a else 0.0


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(without_citations(text).casefold())


def without_citations(text: str) -> str:
    return _CITATION.sub("", text)


def missing_texts(wanted: Sequence[str], answer: str) -> list[str]:
    """Those of `wanted` that do not stand in the answer, whatever their case and white space."""
    folded = _fold(answer)
    return [each for each in wanted if _fold(each) not in folded]


def _fold(text: str) -> str:
    return " ".join(without_citations(text).casefold().split())


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest rank: a value that was measured. None of no values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
