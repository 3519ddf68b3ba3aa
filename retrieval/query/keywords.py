"""A question's words as BM25 weighs them, by the tenant's own document frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.terms import QUESTION_TERMS, TOTAL_TERM, term_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenants.config import TenantConfig
    from tenants.pool import Connection

# The rows that are weighed hold the question's rarest terms, about this many at most. More in
# larger tenants, so that 0.99 of the true BM25 top ten is kept (benchmarks/search_cost.py).
FEWEST_ROWS = 2_000
MOST_ROWS = 5_000
ROWS_SHARE = 0.05
# Words that only make a sentence a question are rare in documents, but say nothing of its subject.
QUESTION_TERM_SHARE = 0.3

FREQUENCIES = """
SELECT term, chunks FROM retrieval_termfrequency
WHERE tenant_id = %s AND generation = %s AND term = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Keywords:
    """`idf`: BM25's inverse document frequency of each term that the tenant has. `rarest`: those
    whose rows are weighed. `unseen`: the weight of a term that the tenant does not have."""

    terms: tuple[int, ...]
    idf: dict[int, float]
    rarest: list[int]
    unseen: float

    def shares(self, *, is_damped: bool) -> dict[int, float]:
        """What part of the question each of its terms is; a chunk of usual length that holds each
        once holds 1. Damped: words that make it a question count less."""
        weights = {
            term: self.idf.get(term, self.unseen)
            * (QUESTION_TERM_SHARE if is_damped and term in QUESTION_TERMS else 1.0)
            for term in self.terms
        }
        heaviest = sum(weights.values())
        return {term: weights[term] / heaviest for term in self.idf} if heaviest else {}


async def read_keywords(
    connection: Connection, tenant: TenantConfig, questions: Sequence[str], *, all_terms: bool
) -> list[Keywords]:
    """Of each question, in one statement. `all_terms`: whatever the number of rows."""
    counted = [tuple(term_counts(question)) for question in questions]
    asked = [*{term for terms in counted for term in terms}, TOTAL_TERM]
    values = [tenant.id, tenant.generation, asked]
    rows = await (await connection.execute(FREQUENCIES, values)).fetchall()
    found = {row["term"]: row["chunks"] for row in rows}
    total = found.pop(TOTAL_TERM, 0)
    budget = total if all_terms else most_rows(total)
    return [
        _weigh(terms, found, total, budget * (len(terms) if all_terms else 1)) for terms in counted
    ]


def most_rows(total: int) -> int:
    return round(min(max(ROWS_SHARE * total, FEWEST_ROWS), MOST_ROWS))


def _weigh(
    terms: tuple[int, ...], frequencies: Mapping[int, int], total: int, budget: int
) -> Keywords:
    seen = {term: frequencies[term] for term in terms if term in frequencies}
    idf = {term: _idf(total, chunks) for term, chunks in seen.items()}
    return Keywords(terms, idf, _rarest(seen, budget), _idf(total, 0) if total else 0.0)


def _idf(total: int, chunks: int) -> float:
    return math.log(1 + (total - chunks + 0.5) / (chunks + 0.5))


def _rarest(seen: Mapping[int, int], budget: int) -> list[int]:
    """The rarest terms that together stay within `budget` rows, one at the least."""
    rarest: list[int] = []
    for term in sorted(seen, key=lambda term: (seen[term], term)):
        budget -= seen[term]
        if rarest and budget < 0:
            break
        rarest.append(term)
    return rarest
