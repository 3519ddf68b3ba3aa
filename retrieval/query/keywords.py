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

# So many rows are weighed for a question, times the root of the number of chunks: it keeps 0.997 of
# the true BM25 top ten at 10,000 chunks as at 100,000 (benchmarks/search_cost.py).
ROWS_PER_ROOT = 5
FEWEST_ROWS = 300
# What a chunk has to hold is put together from so many of the question's rarest terms. With pairs
# only, twice the rows kept less of the true ten.
TERMS_TO_COMBINE = 6
MOST_TOGETHER = 3
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
    one. Weighed are the chunks that hold one of the terms in `rare`, or all of a group of two or three
    commoner ones: who holds fewer of those comes behind them anyway."""

    idf: dict[int, float]
    parts: dict[int, float]
    total: int
    rare: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...] = ()

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
    chosen = _combine(by_rarity[:TERMS_TO_COMBINE], idf, seen, total)
    rare = tuple(terms[0] for terms in chosen if len(terms) == 1)
    return Keywords(idf, parts, total, rare, tuple(terms for terms in chosen if len(terms) > 1))


def most_rows(total: int) -> int:
    return max(round(ROWS_PER_ROOT * math.sqrt(total)), FEWEST_ROWS)


def _combine(
    terms: Sequence[int], idf: Mapping[int, float], seen: Mapping[int, int], total: int
) -> list[tuple[int, ...]]:
    """The heaviest combinations by the sum of their idf, as many as fewest chunks hold, one at the
    least; how many do is told as if words came independently. None contains another."""
    heaviest = sorted(
        (group for size in range(1, MOST_TOGETHER + 1) for group in combinations(terms, size)),
        key=lambda group: -sum(idf[term] for term in group),
    )
    chosen: dict[tuple[int, ...], float] = {}
    left = float(most_rows(total))
    for group in heaviest:
        if any(set(other) <= set(group) for other in chosen):
            continue
        within = [other for other in chosen if set(group) < set(other)]
        rows = total * math.prod(seen[term] / total for term in group)
        left -= rows - sum(chosen[other] for other in within)
        if chosen and left < 0:
            break
        chosen = {other: count for other, count in chosen.items() if other not in within}
        chosen[group] = rows
    return list(chosen)


def _idf(total: int, chunks: int) -> float:
    return math.log(1 + (total - chunks + 0.5) / (chunks + 0.5))
