"""Whether a cached answer may be served for a question that only lies near the one it was given to.

Nearness in embedding space does not tell "enable" from "disable" or 2019 from 2020. So each word of
one question has to have its counterpart in the other, in the same role; what has none, refuses.
"""

from __future__ import annotations

from retrieval.query.guards.differences import (
    check_dates,
    check_joining,
    check_negation,
    check_numbers,
    check_opposites,
    check_words,
)
from retrieval.query.guards.direction import check_direction
from retrieval.query.guards.matching import match_words
from retrieval.query.guards.modality import check_modality, check_tense, check_verb_forms
from retrieval.query.guards.question_word import check_question_word
from retrieval.query.guards.reading import read_both
from retrieval.query.guards.refusal import Refusal
from retrieval.query.guards.roles import check_roles

__all__ = ["DEFAULT_THRESHOLD", "Refusal", "may_serve"]

# Least cosine of all-MiniLM-L6-v2 at which a cached question is looked at at all. The tenant's
# default of it is the same figure, which a test compares.
DEFAULT_THRESHOLD = 0.7
# Nobody asks the same long text in other words; comparing it would only cost time.
LONGEST_QUESTION = 1_000
CHECKS = (
    check_numbers, check_dates, check_negation, check_opposites, check_modality, check_tense,
    check_verb_forms, check_joining, check_words, check_direction, check_roles,
)  # fmt: skip


def may_serve(question: str, cached: str) -> Refusal | None:
    """None when the cached question asks the same; else why it does not."""
    if _folded(question) == _folded(cached):
        return None
    if max(len(question), len(cached)) > LONGEST_QUESTION:
        return Refusal("length", "too long to compare word by word")
    # The same answer whichever of the two was asked first.
    a, b = read_both(*sorted((question, cached)))
    if not a.words or not b.words:
        return Refusal("words", "nothing to compare")
    found = check_question_word(a, b)
    if found:
        return found
    match = match_words(a, b)
    return next((refusal for check in CHECKS if (refusal := check(a, b, match))), None)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip("?!. ")
