"""Passages shown with what stands before and after them in their document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.types import Hit
    from tenants.config import Caller

# A document and a place in it.
Place: TypeAlias = tuple[str, int]

AROUND = """
SELECT DISTINCT c.document_id::text AS document_id, c.ordinal, c.text
FROM unnest(%(documents)s::uuid[], %(ordinals)s::integer[]) AS hit (document_id, ordinal)
JOIN retrieval_chunk c ON c.tenant_id = %(tenant)s AND c.generation = %(generation)s
    AND c.document_id = hit.document_id AND c.access_level = ANY(%(levels)s)
    AND c.ordinal BETWEEN hit.ordinal - %(reach)s AND hit.ordinal + %(reach)s
"""


async def with_neighbours(caller: Caller, hits: Sequence[Hit], reach: int) -> list[Hit]:
    """`shown` holds up to `reach` passages more on each side. No text is shown twice: what lies
    between two hits goes to the better one."""
    texts = await _texts_around(caller, hits, reach)
    taken: set[Place] = {(hit.document_id, hit.ordinal) for hit in hits}
    return [_extended(hit, reach, texts, taken) for hit in hits]


async def _texts_around(caller: Caller, hits: Sequence[Hit], reach: int) -> dict[Place, str]:
    values = {
        "tenant": caller.tenant.id,
        "generation": caller.tenant.generation,
        "levels": list(caller.access_levels),
        "documents": [hit.document_id for hit in hits],
        "ordinals": [hit.ordinal for hit in hits],
        "reach": reach,
    }
    async with tenant_transaction(caller.tenant) as connection:
        rows = await (await connection.execute(AROUND, values)).fetchall()
    return {(row["document_id"], row["ordinal"]): row["text"] for row in rows}


def _extended(hit: Hit, reach: int, texts: dict[Place, str], taken: set[Place]) -> Hit:
    before = _reachable(hit, range(-1, -reach - 1, -1), texts, taken)
    after = _reachable(hit, range(1, reach + 1), texts, taken)
    if not before and not after:
        return hit
    return replace(hit, shown="\n\n".join([*reversed(before), hit.text, *after]))


def _reachable(hit: Hit, steps: range, texts: dict[Place, str], taken: set[Place]) -> list[str]:
    """Outwards, up to what is not there or shown elsewhere."""
    found: list[str] = []
    for step in steps:
        place = (hit.document_id, hit.ordinal + step)
        if place not in texts or place in taken:
            break
        taken.add(place)
        found.append(texts[place])
    return found
