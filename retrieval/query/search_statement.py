"""The statement of a search, for as many probes as there are, and its values.

Cosine similarities and BM25 weights of several probes add up as their vectors do: so whatever the
number of rewrites, each candidate is compared with one sum of vectors and one sum of words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.terms import as_sparsevec
from retrieval.vectors import as_halfvec, distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.query.keywords import Keywords
    from retrieval.query.request import SearchRequest
    from tenants.config import Caller, TenantConfig

# Of each side, at the least. Twenty find as much as a hundred do.
CANDIDATES = 20
# What a chunk of usual length that holds each of the question's words once gains over one that
# holds none, in cosine similarity. From 0.3 to 0.6 makes little difference.
WORDING_WEIGHT = 0.45
# What the question weighs beside all its rewrites together, which may miss what was meant.
QUESTION_SHARE = 0.5

READABLE = """
tenant_id = %(tenant)s AND generation = %(generation)s AND access_level = ANY(%(levels)s)
"""
NEAREST = """
SELECT id, row_number() OVER (ORDER BY distance, id) AS vector_place, NULL::bigint AS keyword_place
FROM (
    SELECT id, {distance} AS distance FROM retrieval_chunk WHERE {readable}
    ORDER BY distance LIMIT %(candidates)s
) nearest
"""
HEAVIEST = """
SELECT id, NULL::bigint AS vector_place, row_number() OVER (ORDER BY weight DESC, id) AS keyword_place
FROM (
    SELECT id, -(term_weights <#> %(idf_{n})s::sparsevec) AS weight FROM retrieval_chunk
    WHERE ({holding}) AND {readable}
    ORDER BY weight DESC LIMIT %(candidates)s
) heaviest
"""
RANKED = """
WITH found AS (
    SELECT id, min(vector_place) AS vector_place, min(keyword_place) AS keyword_place
    FROM ({sides}) sides GROUP BY id
), weighed AS (
    SELECT found.*, document_id, heading_path, text, access_level, ordinal, content_hash, embedding,
        1 - (embedding <=> %(vector_0)s::halfvec) AS similarity,
        -(term_weights <#> %(wording)s::sparsevec) AS wording{nearness}
    FROM found JOIN retrieval_chunk c ON c.tenant_id = %(tenant)s AND c.id = found.id
), best AS (
    SELECT *, {score} AS score, {near} + wording AS evidence FROM weighed
    ORDER BY score DESC, id LIMIT %(top_k)s
)
SELECT best.id, document_id, d.path, heading_path, text, best.access_level, ordinal,
    best.content_hash, score, similarity, evidence, vector_place, keyword_place{embedding}
FROM best JOIN retrieval_document d ON d.id = document_id ORDER BY score DESC, best.id
"""
NEARNESS = ", -(embedding <#> %(meaning)s::halfvec) AS nearness"
EMBEDDING = ", embedding::text AS embedding"
FILTER_CLAUSES = {
    "document_id": "AND document_id = %(document_id)s",
    "access_level": "AND access_level = %(access_level)s",
    "source": "AND document_id IN (SELECT e.id FROM retrieval_document e "
    "JOIN retrieval_source s ON s.id = e.source_id WHERE s.name = %(source)s)",
    "path_prefix": "AND document_id IN (SELECT e.id FROM retrieval_document e "
    "WHERE starts_with(e.path, %(path_prefix)s))",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """The question, or a rewrite of it, with its unit vector; without one it is searched for by its
    words alone, in the mode `keyword`."""

    question: str
    vector: np.ndarray | None


def compose(
    tenant: TenantConfig,
    request: SearchRequest,
    keywords: Sequence[Keywords],
    *,
    embeddings: bool = False,
) -> str:
    """Made of constants and numbers only; what the caller gave is among the values.

    Empty where nothing can be found: none of the words is known, and only words are asked for.
    """
    clauses = [FILTER_CLAUSES[name] for name, _ in request.filters]
    readable = " ".join([READABLE, *clauses])
    sides = _sides(tenant, request, keywords, readable)
    near = "similarity" if len(keywords) == 1 else "nearness"
    scores = {"hybrid": f"{near} + wording", "vector": near, "keyword": "wording"}
    return sides and RANKED.format(
        sides=sides,
        nearness="" if len(keywords) == 1 else NEARNESS,
        near=near,
        score=scores[request.mode],
        embedding=EMBEDDING if embeddings else "",
    )


def _sides(
    tenant: TenantConfig, request: SearchRequest, keywords: Sequence[Keywords], readable: str
) -> str:
    sides: list[str] = []
    for number, words in enumerate(keywords):
        if request.mode != "keyword":
            nearest = distance(
                tenant.embedding_dimension, indexed=tenant.hnsw_ef > 0, parameter=f"vector_{number}"
            )
            sides.append(NEAREST.format(distance=nearest, readable=readable))
        if request.mode != "vector" and words.idf:
            sides.append(HEAVIEST.format(n=number, holding=holding(words), readable=readable))
    return " UNION ALL ".join(f"({side})" for side in sides)


def holding(words: Keywords) -> str:
    """What a chunk has to hold to be weighed. Only by `&&`: row-level security keeps Postgres from
    using the index through an operator that is not leakproof (tenants.schema)."""
    last: dict[tuple[int, ...], list[int]] = {}
    for *first, commonest in [*((term,) for term in words.rare), *words.groups]:
        last.setdefault(tuple(first), []).append(commonest)
    conditions = [
        " AND ".join(f"terms && {_array(terms)}" for terms in [*([one] for one in first), others])
        for first, others in last.items()
    ]
    return " OR ".join(conditions)


def _array(terms: Sequence[int]) -> str:
    return f"'{{{','.join(map(str, terms))}}}'::integer[]"


def values(
    caller: Caller, request: SearchRequest, probes: Sequence[Probe], keywords: Sequence[Keywords]
) -> dict[str, Any]:
    shares = _shares(len(probes))
    found: dict[str, Any] = {
        "tenant": caller.tenant.id,
        "generation": caller.tenant.generation,
        "levels": list(caller.access_levels),
        "candidates": max(CANDIDATES, request.top_k),
        "top_k": request.top_k,
        # By words alone the order is that of BM25.
        "wording": as_sparsevec(_wording(keywords, shares, is_damped=request.mode != "keyword")),
        **dict(request.filters),
    }
    for number, (probe, words) in enumerate(zip(probes, keywords, strict=True)):
        found[f"vector_{number}"] = None if probe.vector is None else as_halfvec(probe.vector)
        found[f"idf_{number}"] = as_sparsevec(words.idf)
    if len(probes) > 1:
        vectors = [probe.vector for probe in probes if probe.vector is not None]
        whole = len(vectors) == len(probes)
        mean = np.asarray(shares, np.float32) @ np.stack(vectors) if whole else None
        found["meaning"] = None if mean is None else as_halfvec(mean)
    return found


def _shares(count: int) -> list[float]:
    """Of each probe in the score: one in all."""
    if count == 1:
        return [1.0]
    return [QUESTION_SHARE] + [(1 - QUESTION_SHARE) / (count - 1)] * (count - 1)


def _wording(
    keywords: Sequence[Keywords], shares: Sequence[float], *, is_damped: bool
) -> dict[int, float]:
    total: Counter[int] = Counter()
    for words, share in zip(keywords, shares, strict=True):
        for term, part in words.shares(is_damped=is_damped).items():
            total[term] += WORDING_WEIGHT * share * part  # pyright: ignore[reportArgumentType]
    return dict(total)
