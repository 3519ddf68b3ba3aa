"""A question's words as BM25 weighs them, by the tenant's own document frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from retrieval.terms import QUESTION_TERMS, TOTAL_TERM, term_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenants.config import TenantConfig
    from tenants.pool import Connection

# So many rows are weighed for a question, times the root of the number of chunks: it keeps 0.99 of
# the true BM25 top ten at 10,000 chunks as at 100,000 (benchmarks/search_cost.py).
ROWS_PER_ROOT = 10
FEWEST_ROWS = 500
# A term is looked for alone while it takes no more than this share of them.
RARE_SHARE = 1 / 3
MOST_PAIRS = 12
# Words that only make a sentence a question are rare in documents, but say nothing of its subject.
QUESTION_TERM_SHARE = 0.3
# What share of a question its words are is told as if there were so many chunks at the least: in a
# handful of them a word that all have would count for nothing, and one that none has for nearly all.
FEWEST_CHUNKS = 100

FREQUENCIES = """
SELECT term, chunks FROM retrieval_termfrequency
WHERE tenant_id = %s AND generation = %s AND term = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Keywords:
    """`idf`: BM25's inverse document frequency of each term that the tenant has in its `total` of
    chunks. `parts`: how much of the question each of its terms is, before they are made to add up to
    one. Weighed are the chunks that hold one of the terms in `rare`, or both of a pair of commoner
    ones: who holds only one of those comes behind them anyway."""

    idf: dict[int, float]
    parts: dict[int, float]
    total: int
    rare: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ()

    def shares(self, *, is_damped: bool) -> dict[int, float]:
        """What part of the question each of its terms is: a chunk of usual length that holds each
        once holds 1. Damped: words that only make it a question count less."""
        weights = {
            term: part * (QUESTION_TERM_SHARE if is_damped and term in QUESTION_TERMS else 1.0)
            for term, part in self.parts.items()
        }
        whole = sum(weights.values())
        return {term: weights[term] / whole for term in self.idf} if whole else {}


async def read_keywords(
    connection: Connection, tenant: TenantConfig, questions: Sequence[str], *, all_terms: bool
) -> list[Keywords]:
    """Of each question, in one statement. `all_terms`: however many chunks hold them."""
    counted = [tuple(term_counts(question)) for question in questions]
    asked = [*{term for terms in counted for term in terms}, TOTAL_TERM]
    values = [tenant.id, tenant.generation, asked]
    rows = await (await connection.execute(FREQUENCIES, values)).fetchall()
    found = {row["term"]: row["chunks"] for row in rows}
    total = found.pop(TOTAL_TERM, 0)
    return [weigh(terms, found, total, all_terms=all_terms) for terms in counted]


def weigh(
    terms: tuple[int, ...], frequencies: Mapping[int, int], total: int, *, all_terms: bool = False
) -> Keywords:
    """`frequencies`: in how many of the `total` chunks each term stands."""
    seen = {term: frequencies[term] for term in terms if frequencies.get(term)}
    idf = {term: _idf(total, chunks) for term, chunks in seen.items()}
    supposed = max(total, FEWEST_CHUNKS)
    parts = {term: _idf(supposed, seen.get(term, 0)) for term in terms}
    by_rarity = sorted(seen, key=lambda term: (seen[term], term))
    if all_terms or len(by_rarity) < 2:
        return Keywords(idf, parts, total, tuple(by_rarity))
    rare, left = _rare(by_rarity, seen, most_rows(total))
    pairs = _pairs(by_rarity[len(rare) :], seen, total, left)
    return Keywords(idf, parts, total, rare or (() if pairs else (by_rarity[0],)), pairs)


def most_rows(total: int) -> int:
    return max(round(ROWS_PER_ROOT * math.sqrt(total)), FEWEST_ROWS)


def _rare(
    by_rarity: Sequence[int], seen: Mapping[int, int], rows: int
) -> tuple[tuple[int, ...], int]:
    """The terms that are looked for alone, and the rows that are left for pairs."""
    rare: list[int] = []
    least = rows * RARE_SHARE
    for term in by_rarity:
        if seen[term] > least or seen[term] > rows:
            break
        rare.append(term)
        rows -= seen[term]
    return tuple(rare), rows


def _pairs(
    terms: Sequence[int], seen: Mapping[int, int], total: int, rows: float
) -> tuple[tuple[int, int], ...]:
    """The pairs that fewest chunks hold, one at the least, as if words came independently."""
    expected = sorted((seen[a] * seen[b] / total, a, b) for a, b in combinations(terms, 2))
    pairs: list[tuple[int, int]] = []
    for count, one, other in expected[:MOST_PAIRS]:
        rows -= count
        if pairs and rows < 0:
            break
        pairs.append((one, other))
    return tuple(pairs)


def _idf(total: int, chunks: int) -> float:
    return math.log(1 + (total - chunks + 0.5) / (chunks + 0.5))
