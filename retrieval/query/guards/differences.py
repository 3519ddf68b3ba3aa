"""The guards that look at single words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.query.guards import function_words as fw
from retrieval.query.guards.lexicon import words
from retrieval.query.guards.matching import opposites_between
from retrieval.query.guards.question_word import SAID_BY_ASKING
from retrieval.query.guards.refusal import Refusal
from retrieval.query.guards.stems import is_past_form, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrieval.query.guards.matching import Match
    from retrieval.query.guards.reading import Reading, Word

_NEGATIVE_PREFIXES = ("un", "in", "dis", "non", "im", "ir", "il", "mis", "de", "anti")


def check_numbers(_a: Reading, _b: Reading, match: Match) -> Refusal | None:
    one = sorted(w.said for w in match.only_a if w.is_number)
    other = sorted(w.said for w in match.only_b if w.is_number)
    return _refusal("numbers", one, other)


def check_dates(a: Reading, b: Reading, match: Match) -> Refusal | None:
    one = [w.said for w in match.only_a if _is_time(w) and not _asks_length(w, a, b)]
    other = [w.said for w in match.only_b if _is_time(w) and not _asks_length(w, b, a)]
    return _refusal("dates", one, other)


def _asks_length(word: Word, reading: Reading, other: Reading) -> bool:
    """ "How long does it last" and "how many days is it" ask for a length of time."""
    if "?howlong" not in (reading.asked, other.asked):
        return False
    if word.text == "last":
        return word is reading.words[-1]
    return reading.asked == "?howmany" and word.key in _UNIT_KEYS


def _is_time(word: Word) -> bool:
    return word.text in fw.TIMES or word.key in fw.TIMES


def check_negation(a: Reading, b: Reading, match: Match) -> Refusal | None:
    one, other = _negated(a), _negated(b)
    if len(one) != len(other):
        return _refusal("negation", one, other)
    if "without" in one + other and ("without" in one) != ("without" in other):
        return _refusal("negation", one, other)
    for word in match.only_a:
        for counterpart in match.only_b:
            if _is_negated_form(word.text, counterpart.text):
                return Refusal("negation", f"{word.text} and {counterpart.text}")
    if one and _is_compounded(a) and _scope(a) != _scope(b):
        return Refusal("negation", f"{_and(_scope(a))} and {_and(_scope(b))}")
    return None


def _negated(reading: Reading) -> list[str]:
    return [t.text for t in reading.tokens if t.text in fw.NEGATIONS]


def _is_compounded(reading: Reading) -> bool:
    return bool(reading.texts & {"and", "or", "but", "if", "when", "who", "that", "which"})


def _scope(reading: Reading) -> list[str]:
    """The words next to each "not"."""
    places = [at for at, t in enumerate(reading.tokens) if t.text in fw.NEGATIONS]
    return sorted(
        next((word.key for word in reading.words if word.at > place), "") for place in places
    )


def _is_negated_form(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) > 3 and any(long == prefix + short for prefix in _NEGATIVE_PREFIXES)


def check_opposites(_a: Reading, _b: Reading, match: Match) -> Refusal | None:
    found = opposites_between(match)
    return Refusal("opposites", f"{found[0].said} and {found[1].said}") if found else None


def check_modality(a: Reading, b: Reading, _match: Match) -> Refusal | None:
    if "how to" in (a.asked, b.asked):
        return None
    one, other = _modality(a), _modality(b)
    if one == other:
        return None
    if "" in (a.asked, b.asked) and one | other == {"able"}:
        return None
    both_open = not {a.asked, b.asked} & {"yes or no"}
    if both_open and not (one and other) and "must" not in one | other:
        return None
    return _refusal("modality", sorted(one), sorted(other))


def _modality(reading: Reading) -> set[str]:
    return {name for name, words in fw.MODALITIES.items() if reading.texts & words}


def check_tense(a: Reading, b: Reading, _match: Match) -> Refusal | None:
    one, other = _tense(a), _tense(b)
    if one == other or not _are_tenses_apart({one, other}, a, b):
        return None
    return Refusal("tense", f"{one or 'present'} and {other or 'present'}")


def _are_tenses_apart(tenses: set[str], a: Reading, b: Reading) -> bool:
    supposed = {"happen", "happens", "if"} & (a.texts | b.texts)
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
    for one, other in match.pairs:
        if one.key == other.key and is_past_form(one.text) != is_past_form(other.text):
            return Refusal("tense", f"{one.text} and {other.text}")
    return None


def check_joining(a: Reading, b: Reading, _match: Match) -> Refusal | None:
    """ "Passport and visa" is not "passport or visa"."""
    one, other = ({"and", "or"} & reading.texts for reading in (a, b))
    if len(one) == len(other) == 1 and one != other:
        return Refusal("joining", f"{_and(one)} and {_and(other)}")
    return None


def check_words(a: Reading, b: Reading, match: Match) -> Refusal | None:
    one, other = _telling(match.only_a, a, b), _telling(match.only_b, b, a)
    for asked in {a.asked, b.asked} if a.asked != b.asked or a.asked == "cost" else ():
        named = SAID_BY_ASKING.get(asked, frozenset())
        one, other = ([w for w in words if not _is_named(w, named)] for words in (one, other))
    one, other = ([w for w in x if not _is_asked_thing(w, a, b)] for x in (one, other))
    if one and other or any(not _is_light(word) for word in (*one, *other)):
        names = any(word.is_name for word in (*one, *other))
        return _refusal(
            "names" if names else "words", [w.said for w in one], [w.said for w in other]
        )
    return None


def _is_asked_thing(word: Word, a: Reading, b: Reading) -> bool:
    asked = {a.asked, b.asked}
    if "?howlong" in asked and (word.text == "last" or word.key in _UNIT_KEYS):
        return True
    if word.text in ("mean", "stand") and word in (a.words[-1], b.words[-1]):
        return asked <= {"what", ""}
    if word.text == "available":
        # "Is parking available" asks whether there is any; "how many rooms are available" does not.
        return asked <= {"yes or no", ""}
    return "how to" in asked and word.text in ("process", "procedure", "method", "instructions")


def _telling(words: Iterable[Word], reading: Reading, other: Reading) -> list[Word]:
    """Without the persons of whom the other side says "I"."""
    speaks = other.texts & fw.ANYBODY and not reading.texts & fw.FIRST_PERSON
    return [word for word in words if not (speaks and word.key in _PERSON_KEYS)]


def _is_light(word: Word) -> bool:
    return word.text in fw.LIGHT or word.key in _LIGHT_KEYS


def _is_named(word: Word, nouns: frozenset[str]) -> bool:
    return word.text in nouns or word.text.rstrip("s") in nouns


def _keys(listed: Iterable[str]) -> frozenset[str]:
    return frozenset(key_of(word) for word in listed)


_LIGHT_KEYS = _keys(fw.LIGHT)
_UNIT_KEYS = _keys(words("second minute hour day week month year"))
_PERSON_KEYS = _keys(fw.PERSONS)


def _refusal(kind: str, one: list[str], other: list[str]) -> Refusal | None:
    if not one and not other:
        return None
    return Refusal(kind, f"{_and(one)} and {_and(other)}")


def _and(words: Iterable[str]) -> str:
    return ", ".join(words) or "nothing"
