"""In how many chunks of a generation each term stands, kept exact by the differences.

All changes of one tenant come one after another, under `store.lock_chunks`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.db import connection

from retrieval.indexing.binary import execute, integers
from retrieval.terms import TOTAL_TERM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenants.context import TenantLike

# Changes by generation, and in it by term.
Changes = dict[int, Counter[int]]

_ADD = """
INSERT INTO retrieval_termfrequency AS old (generation, term, chunks)
SELECT %b::int, term, chunks FROM unnest(%b::int[], %b::int[]) AS new(term, chunks)
ON CONFLICT (tenant_id, generation, term) DO UPDATE SET chunks = old.chunks + EXCLUDED.chunks
"""
_DROP_UNUSED = """
DELETE FROM retrieval_termfrequency
WHERE tenant_id = %s AND generation = %s AND term = ANY(%s) AND chunks <= 0
"""
# To be put behind a query `gone` of rows (generation, terms).
COUNT = f"""
SELECT generation, term, count(*) FROM gone, unnest(terms) AS term GROUP BY 1, 2
UNION ALL SELECT generation, {TOTAL_TERM}, count(*) FROM gone GROUP BY 1
"""  # noqa: S608 - of constants


def as_changes(rows: Iterable[tuple[int, int, int]], sign: int) -> Changes:
    """Of rows that COUNT gave."""
    changes: Changes = {}
    for generation, term, chunks in rows:
        changes.setdefault(generation, Counter())[term] = sign * chunks
    return changes


def add_frequencies(tenant: TenantLike, changes: Mapping[int, Mapping[int, int]]) -> None:
    for generation, change in changes.items():
        _add(tenant, generation, change)


def _add(tenant: TenantLike, generation: int, change: Mapping[int, int]) -> None:
    # In order: the rows of neighbours are on the same pages.
    terms: Sequence[int] = sorted(term for term, delta in change.items() if delta)
    if not terms:
        return
    fewer = [term for term in terms if change[term] < 0]
    execute(_ADD, [generation, integers(terms), integers([change[term] for term in terms])])
    if fewer:
        with connection.cursor() as cursor:
            cursor.execute(_DROP_UNUSED, [tenant.id, generation, fewer])
