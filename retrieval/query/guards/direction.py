"""From where to where, for or against, before or after."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from retrieval.query.guards import function_words as fw
from retrieval.query.guards.refusal import Refusal

if TYPE_CHECKING:
    from retrieval.query.guards.matching import Match
    from retrieval.query.guards.reading import Reading


def check_direction(a: Reading, b: Reading, match: Match) -> Refusal | None:
    if are_compared(a, b):
        return None
    for one, other in match.pairs:
        roles = {one.role, other.role}
        if roles <= {"between", "from", "to", "of"} and {"distance", "?howfar"} & (
            a.texts | b.texts
        ):
            continue
        if len(roles) == 2 and (roles <= fw.STRICT_ROLES or roles in fw.CONTRARY_ROLES):
            return Refusal("direction", f"{one.role} {one.text} and {other.role} {other.text}")
    ends = {reading.tokens[-1].text for reading in (a, b)}
    if len(ends) == 2 and ends <= fw.ENDING_PREPOSITIONS:
        return Refusal("direction", " and ".join(sorted(ends)))
    if _is_person_elsewhere(a, b):
        return Refusal("direction", "the persons are governed by other words")
    return None


def are_compared(a: Reading, b: Reading) -> bool:
    """Of a difference between two things it does not matter which is named first."""
    return _is_comparison(a) and _is_comparison(b)


def _is_comparison(reading: Reading) -> bool:
    # "Heavier compared to" has a direction after all.
    graded = any(word.text.endswith("er") or word.text in fw.DEGREES for word in reading.words)
    directed = reading.texts & {"from", "to", "when"}
    return "difference" in reading.texts and not directed and not graded


def _is_person_elsewhere(a: Reading, b: Reading) -> bool:
    """ "Paid by me" and "paid to me"."""
    one, other = _governed_persons(a), _governed_persons(b)
    return bool(one) and bool(other) and one != other


def _governed_persons(reading: Reading) -> set[tuple[str, str]]:
    return {
        (word.text, person.text)
        for word, person in pairwise(reading.tokens)
        if person.text in fw.SPEAKERS and word.text in fw.GOVERNING
    }
