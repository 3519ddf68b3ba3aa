"""Where the answer stands, if anywhere: the tenant's documents searched again, deep, at every level.

A passage counts by the very measure that an answer has to reach (retrieval.query.search): cosine
similarity + what it holds of the question's words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retrieval.query.context import notes_of, reserve_from
from retrieval.query.embed import embed_texts
from retrieval.query.keywords import read_keywords
from retrieval.query.paid_apart import paid_apart
from retrieval.query.proof import fingerprint
from retrieval.query.request import SearchRequest
from retrieval.query.retrieve import find_context
from retrieval.query.search import EVIDENCE_FROM, evidence_needed, find_nearest
from retrieval.query.search_statement import Probe
from retrieval.terms import QUESTION_TERMS, term_counts
from tenants.config import Caller
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    import numpy as np

    from retrieval.diagnosis.case import Case, KeptContext
    from retrieval.query.context import Nearest
    from retrieval.query.keywords import Keywords
    from retrieval.query.run import Run
    from retrieval.types import Hit
    from tenants.config import TenantConfig

DEPTH = 50
# So much more than what an answer needs tells a passage that holds the answer from one that is about
# the same subject; and more yet, the more of the question's words stand in no document: what it names is
# then not what they are about. Of 52 questions about the demo's documents that were not used to set this
# 98 % reach it; of 55 about their subjects that none answers 44 %, and 64 % without the second figure;
# of those whose answer is taken away 98 % (benchmarks/diagnosis.py). So a passage is shown as what was
# found, to be read, and not as the answer.
HOLDS_MORE = 0.1
UNKNOWN_WORDS = 0.5
MOST_NAMED = 5
MARKS = "?!.,;:()[]\"'“”‘’"


@dataclass(frozen=True, slots=True)
class Evidence:
    """`hits` are best first by `scores`, evidence by the passage's id: of the question, or of the
    question with what the rater wrote, whichever is more. `by_question`: their order without that.
    `vectors`: of the question and the comment, unit length. `unknown`: words of the question that stand
    in no document."""

    needed: float
    hits: tuple[Hit, ...]
    scores: dict[int, float]
    by_question: tuple[int, ...]
    vectors: np.ndarray
    context_differs: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def strong(self) -> list[Hit]:
        return [hit for hit in self.hits if self.scores[hit.chunk_id] >= self.needed]

    @property
    def most(self) -> float:
        return max(self.scores.values(), default=0.0)


async def gather_evidence(tenant: TenantConfig, case: Case) -> Evidence:
    """Raises ProviderError, ConfigurationError, BudgetExceeded or Unavailable: then nothing can be said
    just now."""
    caller = Caller(tenant, tenant.access_levels, frozenset({"query"}), "diagnosis")
    async with paid_apart(caller, "diagnosis") as run:
        return await _gather(run, tenant, case)


async def _gather(run: Run, tenant: TenantConfig, case: Case) -> Evidence:
    caller = run.caller
    texts = [case.question, case.comment] if case.comment else [case.question]
    vectors = await embed_texts(caller, texts, notes_of(run))
    probes = [Probe(text, vector) for text, vector in zip(texts, vectors, strict=True)]
    plain = await _search(caller, probes[:1])
    more = await _search(caller, probes) if case.comment else plain
    found, scores = _together(plain, more)
    known, unknown = await _known(caller, case.question)
    least = max(tenant.min_similarity, 0.0) + evidence_needed(plain.total)
    return Evidence(
        needed=least + HOLDS_MORE + UNKNOWN_WORDS * (1 - known),
        hits=tuple(sorted(found, key=lambda hit: (-scores[hit.chunk_id], hit.chunk_id))),
        scores=scores,
        by_question=tuple(hit.chunk_id for hit in plain.hits),
        vectors=vectors,
        context_differs=case.kept is not None and await _differs(run, case, case.kept),
        unknown=unknown,
    )


async def _search(caller: Caller, probes: list[Probe]) -> Nearest:
    """In hybrid mode, whatever the tenant's is: the score is the evidence then."""
    request = SearchRequest(probes[0].question, top_k=DEPTH, mode="hybrid")
    async with tenant_transaction(caller.tenant) as connection:
        return await find_nearest(connection, caller, request, probes)


async def _known(caller: Caller, question: str) -> tuple[float, tuple[str, ...]]:
    """What share of the question stands in some document, by the weight of its words, as far as that
    tells anything; and the words that stand in none."""
    async with tenant_transaction(caller.tenant) as connection:
        (words,) = await read_keywords(connection, caller.tenant, [question], all_terms=False)
    # A few passages have few words, and say the same in others than are asked with.
    counts = min(words.total / EVIDENCE_FROM, 1.0)
    if not words.parts:
        return 1.0, ()
    named = [word.strip(MARKS) for word in question.split()]
    unknown = [word for word in named if _is_unknown(word, words)]
    known = sum(words.shares(is_damped=True).values())
    return 1 - counts * (1 - known), tuple(dict.fromkeys(unknown))[:MOST_NAMED]


def _is_unknown(word: str, words: Keywords) -> bool:
    terms = term_counts(word).keys() - QUESTION_TERMS
    return bool(terms) and not terms & words.idf.keys()


def _together(plain: Nearest, more: Nearest) -> tuple[list[Hit], dict[int, float]]:
    found: dict[int, Hit] = {}
    scores: dict[int, float] = {}
    for hit in (*plain.hits, *more.hits):
        found.setdefault(hit.chunk_id, hit)
        scores[hit.chunk_id] = max(hit.score, scores.get(hit.chunk_id, hit.score))
    return list(found.values()), scores


async def _differs(run: Run, case: Case, kept: KeptContext) -> bool:
    """Whether a full run now would show the model something else than it saw for the kept answer."""
    tenant = run.caller.tenant
    request = SearchRequest(
        kept.question,
        kept.top_k or tenant.top_k,
        mode=tenant.query.search_mode,  # pyright: ignore[reportArgumentType]
        filters=kept.filters,
    )
    levels = tuple(sorted(case.levels & set(tenant.access_levels)))
    context = await find_context(
        replace(run.caller, access_levels=levels), request, kept.question, kept.vector, kept.rewrites,
        reserve=reserve_from(run),
    )  # fmt: skip
    run.outcome.calls += context.calls
    return not context.degraded and fingerprint(context.hits) != kept.fingerprint
