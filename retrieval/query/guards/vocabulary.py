"""Which strings of letters are words."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache, lru_cache

from ragadmin.errors import ConfigurationError
from retrieval.providers.minilm import package_folder
from retrieval.query.guards import function_words as fw, lexicon

SHORTEST_WITH_TYPO = 5


@cache
def known_words() -> frozenset[str]:
    """The whole words of the local model's vocabulary, a list of English that is there anyway."""
    try:
        path = package_folder() / "tokenizer.json"
    except ConfigurationError:
        return frozenset()
    vocabulary = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    known = frozenset(word for word in vocabulary if word.isalpha() and len(word) > 2)
    return known | lexicon.listed_words()


def is_known(word: str) -> bool:
    words = known_words()
    return not words or any(form in words for form in _simpler_forms(word))


def _simpler_forms(word: str) -> list[str]:
    forms = [word]
    if word.endswith(("ies", "ied")):
        forms.append(f"{word[:-3]}y")
    if word.endswith("s") and not word.endswith("ss"):
        forms.append(word[:-1])
    if word.endswith("es") and word[:-2].endswith(_BEFORE_ES):
        forms.append(word[:-2])
    for ending in ("ed", "ing", "er", "ly", "ment", "ion", "ions"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2:
            doubles = ending in ("ed", "ing", "er")
            # "Shiping" is no form of "ship", whose last letter is doubled.
            forms += [f"{stem}e"] if doubles and _DOUBLING.fullmatch(stem) else [stem, f"{stem}e"]
            if len(stem) > 3 and stem[-1] == stem[-2] and doubles:
                forms.append(stem[:-1])
    return forms


_DOUBLING = re.compile(r"[^aeiou]+[aeiou][^aeiouwxy]")
_BEFORE_ES = ("s", "x", "z", "ch", "sh", "o")


def are_one_letter_apart(one: str, other: str) -> bool:
    """One letter more, less or other, or two neighbours swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, other_rest = one[start:], other[start:]
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
    )


@lru_cache(maxsize=20_000)
def corrected(word: str) -> str:
    """A misspelt "please" or "posible" as the word of the lists that it must be."""
    if len(word) < SHORTEST_WITH_TYPO or not word.isalpha() or is_known(word):
        return word
    near = {
        other
        for shorter in (word, *_one_letter_less(word))
        for other in _listed_by_shorter().get(shorter, ())
        if other[0] == word[0]
        and are_one_letter_apart(word, other)
        and (len(other) != len(word) or sorted(other) == sorted(word) or other in said_words())
    }
    return near.pop() if len(near) == 1 else word


def _one_letter_less(word: str) -> list[str]:
    return [word[:at] + word[at + 1 :] for at in range(len(word))]


@cache
def said_words() -> frozenset[str]:
    """Those that only frame a question: another letter in one of them changes no subject."""
    return frozenset(word for words in lexicon.phrases()[1] for word in words) | fw.EMPTY


@cache
def _listed_by_shorter() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for word in said_words() | lexicon.listed_words():
        if len(word) >= SHORTEST_WITH_TYPO - 1 and word.isalpha():
            for shorter in (word, *_one_letter_less(word)):
                found[shorter].add(word)
    return dict(found)
