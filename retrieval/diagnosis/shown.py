"""Whether compression kept from the model the very part of a passage that it would have needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrieval.query.compress import compress, segments_of
from retrieval.query.context import notes_of
from retrieval.query.embed import embed_texts
from retrieval.query.neutral import as_data
from retrieval.query.paid_apart import paid_apart
from retrieval.query.search_statement import WORDING_WEIGHT
from retrieval.terms import QUESTION_TERMS, term_counts
from tenants.config import Caller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.diagnosis.case import Case
    from retrieval.diagnosis.evidence import Evidence
    from retrieval.types import Hit
    from tenants.config import TenantConfig

# A fragment says nothing by itself.
FEWEST_TERMS = 3
# By so much more a part that was left out has to fit than the best of those that were shown.
CLEARLY = 0.02


async def part_left_out(
    tenant: TenantConfig, case: Case, evidence: Evidence, best: Hit
) -> str | None:
    """The sentence of the passage that fits the question best, or what the rater wrote, if the model
    did not see it. Raises ProviderError, ConfigurationError."""
    if not case.was_compressed:
        return None
    parts = [part for part in segments_of(best.text) if len(term_counts(part)) >= FEWEST_TERMS]
    read = _squeeze(case.sent or _compressed(case, evidence, best))
    left_out = [_squeeze(as_data(part)) not in read for part in parts]
    if not any(left_out) or all(left_out):
        return None
    fits = await _fits(tenant, case, evidence.vectors, parts)
    # What the rater wrote tells best what was missing.
    for column in reversed(fits.T):
        best_shown = max(fit for fit, is_out in zip(column, left_out, strict=True) if not is_out)
        place = int(column.argmax())
        if left_out[place] and column[place] >= best_shown + CLEARLY:
            return parts[place].strip()
    return None


async def _fits(
    tenant: TenantConfig, case: Case, vectors: np.ndarray, parts: Sequence[str]
) -> np.ndarray:
    """As passages are weighed, by meaning and by words: a row for each part, a column for the question
    and one for the comment."""
    caller = Caller(tenant, tenant.access_levels, frozenset({"query"}), "diagnosis")
    async with paid_apart(caller, "diagnosis") as run:
        cosines = await embed_texts(caller, parts, notes_of(run)) @ vectors.T
    texts = [case.question, case.comment][: len(vectors)]
    shares = np.array([[_share(text, part) for text in texts] for part in parts])
    return cosines + WORDING_WEIGHT * shares


def _share(text: str, part: str) -> float:
    asked = frozenset(term_counts(text)) - QUESTION_TERMS
    return len(asked & frozenset(term_counts(part))) / len(asked) if asked else 0.0


def _compressed(case: Case, evidence: Evidence, best: Hit) -> str:
    """As the answer's passages come out of it today: it depends on the words alone."""
    by_id = {hit.chunk_id: hit for hit in evidence.hits} | {best.chunk_id: best}
    hits = [by_id[chunk_id] for chunk_id in case.hit_ids if chunk_id in by_id]
    shortened, _ = compress(case.asked_as or case.question, hits or [best])
    return "\n".join(hit.shown or hit.text for hit in shortened)


def _squeeze(text: str) -> str:
    return " ".join(text.split())
