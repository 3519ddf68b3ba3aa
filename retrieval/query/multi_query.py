"""One question in several wordings, so that documents that use other words are found too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrieval.query.brief import ask_briefly, can_ask
from retrieval.query.neutral import as_data
from retrieval.query.prompt import wordings_messages
from retrieval.terms import term_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.query.run import Run
    from retrieval.types import Hit

TOKENS_A_WORDING = 48
LONGEST_WORDING = 300
# Auto: the best hit is hardly nearer than what is left out as too far, or neither side of the search
# has the other's first hits among its own.
WEAK_MARGIN = 0.2
FIRST_PLACES = 3
_MARK = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s*")


async def expand(run: Run, hits: Sequence[Hit]) -> tuple[str, ...]:
    """Other wordings to search for, none where the first search is good enough or no model is asked.

    `hits` are the first search's. Raises Unavailable.
    """
    settings = run.caller.tenant.query
    if settings.multi_query == "off" or run.purse.step or not can_ask(run):
        return ()
    if settings.multi_query == "auto" and not is_weak(hits, run.caller.tenant.min_similarity):
        return ()
    with run.clock.span("route", what="multi_query") as span:
        messages = wordings_messages(run.question, settings.rewrites)
        limit = TOKENS_A_WORDING * settings.rewrites
        text = await ask_briefly(run, "multi_query", messages, limit)
        wordings = check_wordings(text or "", run.question, settings.rewrites)
        span.attributes["wordings"] = len(wordings)
    return wordings


def is_weak(hits: Sequence[Hit], min_similarity: float) -> bool:
    if not hits or max(hit.similarity for hit in hits) < min_similarity + WEAK_MARGIN:
        return True
    first = [hit for hit in hits if _is_first(hit.vector_place) and _is_first(hit.keyword_place)]
    has_both = any(hit.vector_place for hit in hits) and any(hit.keyword_place for hit in hits)
    return has_both and not first


def _is_first(place: int | None) -> bool:
    return place is not None and place <= FIRST_PLACES


def check_wordings(text: str, question: str, count: int) -> tuple[str, ...]:
    """At most `count` lines of the model's that are wordings: printable, short, and all different."""
    seen = {_same(question)}
    wordings: list[str] = []
    for line in text.splitlines():
        wording = _MARK.sub("", line).strip().strip("\"“”'`*").strip()
        same = _same(wording)
        if same and same not in seen and len(wording) <= LONGEST_WORDING and wording.isprintable():
            seen.add(same)
            wordings.append(as_data(wording))
    return tuple(wordings[:count])


def _same(text: str) -> frozenset[int]:
    """By its words: their order and form change nothing that is searched for."""
    return frozenset(term_counts(text))
