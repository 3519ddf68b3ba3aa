"""Which words are forms of one word, which are synonyms, and which are opposites."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache, lru_cache

from py_rust_stemmers import SnowballStemmer  # pyright: ignore[reportAttributeAccessIssue]

from retrieval.query.guards import lexicon
from retrieval.query.guards.lexicon import words
from retrieval.query.guards.vocabulary import is_known, known_words

_STEMMER = SnowballStemmer("english")
# Endings that make another word of a stem: who does it is not who it is done to, nor the deed.
_TELLING_ENDINGS = (
    "ist", "ian", "able", "ible", "ful", "ive", "ic", "ical", "ous", "ity",
    "less", "ize", "ise", "ism",
)  # fmt: skip
_VOWELS = frozenset("aeiouy")
_SHORT_VERBS = words("pay buy use win run own bid vet")


@lru_cache(maxsize=50_000)
def key_of(word: str) -> str:
    """The same for the inflections of a word ("cancels", "cancelled", "cancellation")."""
    base = lexicon.base_forms().get(word) or _as_american(word)
    # Letters without a vowel are an abbreviation: HTTPS is no plural.
    if len(base) < 3 or not base.isascii() or not base.isalpha() or not _VOWELS & set(base):
        return base
    own = _own_stem(base)
    if own:
        return own
    base = _IFICATION.sub("ify", base)
    singular = base[:-1] if base.endswith("s") and not base.endswith("ss") else base
    stem = _STEMMER.stem_word(base)
    doer = _doer_of(singular)
    if doer:
        return f"{_STEMMER.stem_word(doer)}+{singular[-2:]}"
    if len(singular) > 5:
        for ending in _TELLING_ENDINGS:
            if singular.endswith(ending):
                return f"{stem}+{ending}"
    if singular.endswith("ment") and len(singular) > 7:
        return _STEMMER.stem_word(singular.removesuffix("ment"))
    return stem


def _as_american(word: str) -> str:
    """ "organise" and "colour" in the spelling most lists have, where that makes a word."""
    if len(word) < 5:
        return word
    for british, american in _BRITISH:
        spelled = british.sub(american, word)
        if spelled != word and is_known(spelled):
            return spelled
    return word


_BRITISH = tuple(
    (re.compile(british), american)
    for british, american in (
        (r"is(e|es|ed|ing|ation|ations|er|ers)$", r"iz\1"),
        (r"ys(e|es|ed|ing|er|ers)$", r"yz\1"),
        (r"(?<=\w{3})our(s|ed|ing|ful|able|ite|ites|al|hood|hoods)?$", r"or\1"),
        (r"tre(s|d)?$", r"ter\1"),
        (r"(?<=\w{3})ogue(s)?$", r"og\1"),
        (r"ae", "e"),
        (r"ence(s)?$", r"ense\1"),
        (r"amme(s)?$", r"am\1"),
    )
)


# "Verification" is what "verify" is; the stemmer parts them.
_IFICATION = re.compile(r"ifications?$")


def _doer_of(word: str) -> str | None:
    """The verb of a word for who does it ("owner") or to whom ("payee"); "offer" has none."""
    if not word.endswith(("er", "or", "ee")) or len(word) < 5:
        return None
    bare = word[:-2]
    verbs = [bare, f"{bare}e", bare[:-1] if bare[-1] == bare[-2] else bare]
    return next(
        (v for v in verbs if v in _SHORT_VERBS or (len(v) > 3 and v in known_words())), None
    )


def _own_stem(word: str) -> str | None:
    own = lexicon.own_stems()
    if word in own:
        return f"={word}"
    for ending, instead in (
        ("ies", "y"),
        ("es", ""),
        ("s", ""),
        ("es", "e"),
        ("d", ""),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
        ("ly", ""),
    ):
        singular = word.removesuffix(ending) + instead
        if word.endswith(ending) and singular in own:
            return f"={singular}"
    return None


_NO_PAST = words("need feed seed speed breed weed bleed greed hundred")


def is_past_form(word: str) -> bool:
    if word in _NO_PAST:
        return False
    return (word.endswith("ed") and len(word) > 3) or (
        word in lexicon.irregular_verbs() and not word.endswith(("s", "ing"))
    )


@cache
def _groups() -> dict[str, frozenset[int]]:
    groups: dict[str, set[int]] = defaultdict(set)
    for number, group in enumerate(lexicon.synonym_groups()):
        for word in group:
            groups[key_of(word)].add(number)
    return {key: frozenset(numbers) for key, numbers in groups.items()}


@cache
def _opposites() -> dict[str, frozenset[str]]:
    pairs: dict[str, set[str]] = defaultdict(set)
    for one, other in lexicon.opposite_sides():
        for word in one:
            pairs[key_of(word)].update(key_of(w) for w in other)
        for word in other:
            pairs[key_of(word)].update(key_of(w) for w in one)
    return {key: frozenset(keys) for key, keys in pairs.items()}


def are_opposite(key: str, other: str) -> bool:
    return other in _opposites().get(key, ()) and key != other


def are_synonyms(key: str, other: str) -> bool:
    """Listed in one group. An opposite is none, whatever the groups say."""
    groups = _groups()
    shared = groups.get(key, frozenset()) & groups.get(other, frozenset())
    return bool(shared) and not are_opposite(key, other)
