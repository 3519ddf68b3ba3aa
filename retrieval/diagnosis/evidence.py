"""Where the answer stands, if anywhere: the tenant's documents searched again, deep, at every level.

A passage counts by the very measure that an answer has to reach (retrieval.query.search): cosine
similarity + what it holds of the question's words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retrieval.query.embed import embed_texts
from retrieval.query.proof import fingerprint
from retrieval.query.request import SearchRequest
from retrieval.query.retrieve import find_context
from retrieval.query.search import evidence_needed, find_nearest
from retrieval.query.search_statement import Probe
from tenants.config import Caller
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    import numpy as np

    from retrieval.diagnosis.case import Case, KeptContext
    from retrieval.query.context import Nearest
    from retrieval.types import Hit
    from tenants.config import TenantConfig

DEPTH = 50
# So much more than what an answer needs tells a passage that holds the answer from one that is about
# the same subject. Measured on 61 questions about the demo's documents: 95 % of the passages that
# answer reach it, and of questions about their subjects that nothing answers 15 % do, not 38 %
# (benchmarks/diagnosis.py).
HOLDS_MORE = 0.1


@dataclass(frozen=True, slots=True)
class Evidence:
    """`hits` are best first by `scores`, evidence by the passage's id: of the question, or of the
    question with what the rater wrote, whichever is more. `by_question`: their order without that.
    `vectors`: of the question and the comment, unit length."""

    needed: float
    hits: tuple[Hit, ...]
    scores: dict[int, float]
    by_question: tuple[int, ...]
    vectors: np.ndarray
    context_differs: bool = False

    @property
    def strong(self) -> list[Hit]:
        return [hit for hit in self.hits if self.scores[hit.chunk_id] >= self.needed]

    @property
    def most(self) -> float:
        return max(self.scores.values(), default=0.0)


async def gather_evidence(tenant: TenantConfig, case: Case) -> Evidence:
    """Raises ProviderError, ConfigurationError or Unavailable: then nothing can be said just now."""
    caller = Caller(tenant, tenant.access_levels, frozenset({"query"}), "diagnosis")
    texts = [case.question, case.comment] if case.comment else [case.question]
    vectors = await embed_texts(caller, texts)
    probes = [Probe(text, vector) for text, vector in zip(texts, vectors, strict=True)]
    plain = await _search(caller, probes[:1])
    more = await _search(caller, probes) if case.comment else plain
    found, scores = _together(plain, more)
    return Evidence(
        needed=max(tenant.min_similarity, 0.0) + evidence_needed(plain.total) + HOLDS_MORE,
        hits=tuple(sorted(found, key=lambda hit: (-scores[hit.chunk_id], hit.chunk_id))),
        scores=scores,
        by_question=tuple(hit.chunk_id for hit in plain.hits),
        vectors=vectors,
        context_differs=case.kept is not None and await _differs(caller, case, case.kept),
    )


async def _search(caller: Caller, probes: list[Probe]) -> Nearest:
    """In hybrid mode, whatever the tenant's is: the score is the evidence then."""
    request = SearchRequest(probes[0].question, top_k=DEPTH, mode="hybrid")
    async with tenant_transaction(caller.tenant) as connection:
        return await find_nearest(connection, caller, request, probes)


def _together(plain: Nearest, more: Nearest) -> tuple[list[Hit], dict[int, float]]:
    found: dict[int, Hit] = {}
    scores: dict[int, float] = {}
    for hit in (*plain.hits, *more.hits):
        found.setdefault(hit.chunk_id, hit)
        scores[hit.chunk_id] = max(hit.score, scores.get(hit.chunk_id, hit.score))
    return list(found.values()), scores


async def _differs(caller: Caller, case: Case, kept: KeptContext) -> bool:
    """Whether a full run now would show the model something else than it saw for the kept answer."""
    tenant = caller.tenant
    request = SearchRequest(kept.question, tenant.top_k, mode=tenant.query.search_mode)  # pyright: ignore[reportArgumentType]
    asker = replace(caller, access_levels=tuple(sorted(case.levels & set(tenant.access_levels))))
    context = await find_context(asker, request, kept.question, kept.vector, kept.rewrites)
    return not context.degraded and fingerprint(context.hits) != kept.fingerprint
