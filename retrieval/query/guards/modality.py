"""Whether something may, must or should be, and whether it is, was or will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.query.guards import function_words as fw
from retrieval.query.guards.refusal import Refusal
from retrieval.query.guards.stems import is_past_form

if TYPE_CHECKING:
    from retrieval.query.guards.matching import Match
    from retrieval.query.guards.reading import Reading


def check_modality(a: Reading, b: Reading, _match: Match) -> Refusal | None:
    one, other = _modality(a), _modality(b)
    if one == other or "how to" in (a.asked, b.asked):
        return None
    if _is_left_unsaid(one, other, a, b):
        return None
    return Refusal(
        "modality", " and ".join(", ".join(sorted(x)) or "nothing" for x in (one, other))
    )


def _is_left_unsaid(one: set[str], other: set[str], a: Reading, b: Reading) -> bool:
    both = one | other
    if one and other:
        # "When do I need to leave" and "when should I leave", though not "when must I leave".
        return (
            both == {"must", "should"}
            and any(r.texts & fw.NEED for r in (a, b))
            and ("yes or no" not in (a.asked, b.asked))
        )
    plain, modal = (a, b) if other else (b, a)
    if _is_done_by_you(plain) and _is_done_by_you(modal):
        return both == {"able"}
    if "yes or no" in (a.asked, b.asked):
        return both == {"able"} and ("" in (a.asked, b.asked) or _enables(plain))
    # "When do I have to leave" and "when do I leave", though not "when did I leave"; "which drugs
    # are permitted" says more than "which drugs are used".
    said = modal.texts & frozenset().union(*fw.MODALITIES.values())
    return said <= fw.MODAL_VERBS and not plain.texts & _OTHER_TENSES


def _modality(reading: Reading) -> set[str]:
    return {name for name, words in fw.MODALITIES.items() if reading.texts & words}


def is_possibility(reading: Reading) -> bool:
    return bool(reading.texts & fw.MODALITIES["able"])


def _is_done_by_you(reading: Reading) -> bool:
    """ "Do you deliver" and "can you deliver"."""
    first, second = (*(token.text for token in reading.tokens[:2]), "", "")[:2]
    return first in ("do", "can", "could", "?can") and second == "you"


_OTHER_TENSES = fw.PAST | fw.FUTURE | {"has", "been"}


def must_be(reading: Reading) -> bool:
    return bool(reading.texts & fw.MODALITIES["must"])


def _enables(reading: Reading) -> bool:
    """ "Is it refundable" and "do you accept" ask what can be done."""
    return any(is_enabling(text) for text in reading.texts)


def is_enabling(text: str) -> bool:
    return text in fw.ENABLING or (len(text) > 6 and text.endswith(("able", "ible")))


def check_tense(a: Reading, b: Reading, _match: Match) -> Refusal | None:
    one, other = _tense(a), _tense(b)
    if one == other or not _are_tenses_apart({one, other}, a, b):
        return None
    return Refusal("tense", f"{one or 'present'} and {other or 'present'}")


def _are_tenses_apart(tenses: set[str], a: Reading, b: Reading) -> bool:
    if a.asked == b.asked == "?whattodo":
        return False
    supposed = {"happen", "happens", "if"} & (a.texts | b.texts)
    if (
        "future" in tenses
        and tenses <= {"", "future", "present"}
        and a.asked == b.asked in ("when", "why")
    ):
        # "When will it arrive" and "when does it arrive"; "why won't it" and "why doesn't it".
        return a.asked == "why" and "not" not in a.texts
    if "" in tenses:
        return "future" in tenses and a.asked == b.asked not in ("", "how to") and not supposed
    if "past" in tenses:
        return True
    if "would" in tenses:
        return a.asked == "yes or no"
    if "perfect" in tenses:
        return a.asked in ("yes or no", "who", "when", "?howlong")
    return not supposed


def _tense(reading: Reading) -> str:
    if reading.texts & fw.PAST:
        return "past"
    if reading.texts & fw.FUTURE:
        return "future"
    if "would" in reading.texts:
        return "would"
    if "been" in reading.texts or reading.tokens[0].text in ("has", "have"):
        return "perfect"
    return "present" if reading.texts & fw.PRESENT else ""


def check_verb_forms(a: Reading, b: Reading, match: Match) -> Refusal | None:
    """ "Who leads" is not "who led", where no auxiliary tells the tense."""
    if (a.texts | b.texts) & fw.AUXILIARIES or a.asked in ("", "how to", "yes or no"):
        return None
    if a.asked == "?whattodo":
        # "If I lose it" and "if I lost it".
        return None
    for one, other in match.pairs:
        if one.key == other.key and is_past_form(one.text) != is_past_form(other.text):
            return Refusal("tense", f"{one.text} and {other.text}")
    return None
