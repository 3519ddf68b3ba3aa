"""BM25 term frequencies of many passages at once, as chunks carry them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieval.terms import K1, MAX_TERMS, B

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.terms import TermCounts


@dataclass(frozen=True, slots=True)
class Weights:
    """Of text number n: `terms[starts[n]:starts[n + 1]]`, in order, and as many `values`."""

    terms: np.ndarray
    values: np.ndarray
    starts: np.ndarray

    def count_texts(self) -> Counter[int]:
        """In how many of the texts each term stands."""
        terms, counts = np.unique(self.terms, return_counts=True)
        return Counter(dict(zip(terms.tolist(), counts.tolist(), strict=True)))


def weigh(counted: Sequence[TermCounts], average_length: float) -> Weights:
    """`counted` is `term_counts` of each text."""
    lengths = np.array([sum(counts.values()) for counts in counted], np.float64)
    kept = [
        counts if len(counts) <= MAX_TERMS else dict(counts.most_common(MAX_TERMS))
        for counts in counted
    ]
    sizes = np.array([len(counts) for counts in kept], np.int64)
    rows = np.repeat(np.arange(len(kept)), sizes)
    total = int(sizes.sum())
    terms = np.fromiter((term for counts in kept for term in counts), np.int64, total)
    counts = np.fromiter((n for each in kept for n in each.values()), np.float64, total)
    norms = K1 * (1 - B + B * lengths / max(average_length, 1.0))
    values = counts * (K1 + 1) / (counts + norms[rows])
    order = np.lexsort((terms, rows))
    starts = np.concatenate(([0], np.cumsum(sizes)))
    return Weights(terms[order].astype(np.int32), values[order].astype(np.float32), starts)
