"""The guards that look at single words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.query.guards import function_words as fw
from retrieval.query.guards.lexicon import words
from retrieval.query.guards.matching import opposites_between
from retrieval.query.guards.modality import is_enabling, is_possibility, must_be
from retrieval.query.guards.question_word import SAID_BY_ASKING
from retrieval.query.guards.reading import is_empty
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
    if reading.asked == other.asked == "?howmany":
        counted = any(w.key in _UNIT_KEYS for w in reading.words)
        return counted and word.text == "last" and word is reading.words[-1]
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
    if one and other or any(not _is_light(w, a, b, match) for w in (*one, *other)):
        names = any(word.is_name for word in (*one, *other))
        return _refusal(
            "names" if names else "words", [w.said for w in one], [w.said for w in other]
        )
    return None


def _is_asked_thing(word: Word, a: Reading, b: Reading) -> bool:
    """What the kind of question says already."""
    asked = {a.asked, b.asked}
    if "?howlong" in asked and (word.text == "last" or word.key in _UNIT_KEYS):
        return True
    if word.text in ("mean", "stand") and word in (a.words[-1], b.words[-1]):
        return asked <= {"what", ""}
    if word.text in _OF_MEANING:
        return asked <= {"what", ""}
    if word.text in fw.DEMANDS:
        return asked <= {"what", ""} and must_be(b if word in a.words else a)
    reading = b if word in a.words else a
    if word.key == "maximum" and reading.asked.startswith("?how"):
        # "How many can I have" and "what is the maximum".
        return is_possibility(reading)
    if word.text == "make":
        return "recipe" in a.texts | b.texts
    if word.text == "purpose":
        return reading.tokens[-1].text == "for"
    if word.text == "available":
        # "Is parking available" asks whether there is any; "how many rooms are available" does not.
        return asked <= {"yes or no", ""}
    if "where" in asked and word.text in fw.FOUND_THERE:
        return True
    if "yes or no" in asked and is_enabling(word.text):
        return is_possibility(b if word in a.words else a)
    if asked == {"how", "how to"} and word.text == "work":
        # "How does verification work"; "how do vaccines work" asks not how to take them.
        return len(a.words) != len(b.words) and _has_verbal_noun(reading)
    return "how to" in asked and word.text in _OF_INSTRUCTIONS


def _has_verbal_noun(reading: Reading) -> bool:
    return any(word.text.endswith(("tion", "ment", "ing", "al")) for word in reading.words)


def _telling(words: Iterable[Word], reading: Reading, other: Reading) -> list[Word]:
    """Without the persons of whom the other side says "I"."""
    speaks = other.texts & fw.ANYBODY and not reading.texts & fw.FIRST_PERSON
    return [word for word in words if not (speaks and word.key in _PERSON_KEYS)]


def _is_light(word: Word, a: Reading, b: Reading, match: Match) -> bool:
    if word.text in fw.LIGHT or word.text in fw.LIGHT_ADVERBS or word.key in _LIGHT_KEYS:
        return True
    reading, side = (a, 0) if word in a.words else (b, 1)
    if word.key in _LIGHT_VERB_KEYS:
        return _stands_as_verb(word, reading)
    matched = (pair[side] for pair in match.pairs)
    return word.key in _CLASS_KEYS and _says_only_class(word, reading, matched)


def _stands_as_verb(word: Word, reading: Reading) -> bool:
    """Behind "to" or who does it; or behind a noun, with no other noun to follow."""
    before = reading.tokens[word.at - 1] if word.at else None
    if before is None or before.text in _BEFORE_NOUNS:
        return False
    if before.text in ("is", "are", "was", "were"):
        return is_past_form(word.text)
    if before.text == "to" or before.text in fw.PRONOUNS or before.text in fw.AUXILIARIES:
        return True
    following = reading.tokens[word.at + 1] if word.at + 1 < len(reading.tokens) else None
    return following is None or is_empty(following)


def _says_only_class(word: Word, reading: Reading, matched: Iterable[Word]) -> bool:
    """ "CSV file" beside "CSV", "the city of Rome" beside "Rome", "which city" beside "what"."""
    before = reading.tokens[word.at - 1].text if word.at else ""
    after = reading.tokens[word.at + 1].text if word.at + 1 < len(reading.tokens) else ""
    if before in ("which", "what", "?what") or after == "of":
        return True
    return any(w.at in (word.at - 1, word.at + 1) and (w.is_name or w.is_number) for w in matched)


def _is_named(word: Word, nouns: frozenset[str]) -> bool:
    return word.text in nouns or word.text.rstrip("s") in nouns


def _keys(listed: Iterable[str]) -> frozenset[str]:
    return frozenset(key_of(word) for word in listed)


_OF_MEANING = words("meaning definition explained defined explanation")
_OF_INSTRUCTIONS = words(
    "process procedure procedures method instructions steps all new best right correct "
    "proper good easiest recipe tutorial"
)
_LIGHT_KEYS = _keys(fw.LIGHT)
_LIGHT_VERB_KEYS = _keys(fw.LIGHT_VERBS)
_BEFORE_NOUNS = (fw.BREAKS - {"to"}) | words("a an the my your our their his her any this ?what")
_CLASS_KEYS = _keys(fw.CLASSES)
_UNIT_KEYS = _keys(words("second minute hour day week month year"))
_PERSON_KEYS = _keys(fw.PERSONS)


def _refusal(kind: str, one: list[str], other: list[str]) -> Refusal | None:
    if not one and not other:
        return None
    return Refusal(kind, f"{_and(one)} and {_and(other)}")


def _and(words: Iterable[str]) -> str:
    return ", ".join(words) or "nothing"
