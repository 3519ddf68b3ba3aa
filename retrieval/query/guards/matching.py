"""Which word of one question stands for which of the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from retrieval.query.guards.modality import is_possibility
from retrieval.query.guards.spelling import undoubled
from retrieval.query.guards.stems import are_opposite, are_synonyms
from retrieval.query.guards.vocabulary import (
    SHORTEST_WITH_TYPO,
    are_one_letter_apart,
    is_known,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrieval.query.guards.reading import Reading, Word

Pairs = list[tuple["Word", "Word"]]

_PREFIX_PAIRS = (
    ("hyper", "hypo"), ("macro", "micro"), ("inter", "intra"), ("pre", "post"), ("over", "under"),
    ("ante", "anti"), ("maxi", "mini"), ("im", "ex"), ("in", "ex"), ("up", "down"), ("in", "out"),
    ("ab", "ad"), ("endo", "exo"), ("mono", "poly"), ("sub", "super"), ("in", "un"), ("em", "im"),
)  # fmt: skip
_ROLE_ENDINGS = ("er", "or", "ee")


@dataclass(frozen=True, slots=True)
class Match:
    """Pairs of words, and what of each side stands for nothing of the other."""

    pairs: tuple[tuple[Word, Word], ...]
    only_a: tuple[Word, ...]
    only_b: tuple[Word, ...]


def match_words(a: Reading, b: Reading) -> Match:
    left, right = list(a.words), list(b.words)
    pairs: Pairs = []
    for same in (_is_same, _is_synonym, _is_typo):
        _take_pairs(left, right, pairs, same)
    if "who" in (a.asked, b.asked):
        _take_pairs(left, right, pairs, _is_deed_and_doer)
    if is_possibility(a) != is_possibility(b):
        _take_pairs(left, right, pairs, _is_deed_and_able)
    _drop_joined(left, right, b.words, pairs)
    _drop_joined(right, left, a.words, pairs)
    _drop_repeated(left, a.words)
    _drop_repeated(right, b.words)
    return Match(tuple(pairs), tuple(left), tuple(right))


def _take_pairs(
    left: list[Word], right: list[Word], pairs: Pairs, same: Callable[[Word, Word], bool]
) -> None:
    for word in tuple(left):
        # The one in the same role first, so that a repeated word does not look moved.
        found = [other for other in right if same(word, other)]
        if found:
            other = next((o for o in found if o.role == word.role), found[0])
            left.remove(word)
            right.remove(other)
            pairs.append((word, other))


def _is_same(one: Word, other: Word) -> bool:
    return one.key == other.key


def _is_synonym(one: Word, other: Word) -> bool:
    if one.is_name and other.is_name:
        return False
    return are_synonyms(one.key, other.key)


def _is_deed_and_doer(one: Word, other: Word) -> bool:
    """ "Who invented" and "the inventor of"."""
    (deed, _, none), (doer, _, ending) = (
        w.key.partition("+") for w in sorted((one, other), key=_by_key)
    )
    return deed == doer and not none and ending in ("er", "or")


def _is_deed_and_able(one: Word, other: Word) -> bool:
    """ "Can it be transferred" and "is it transferable"."""
    (deed, _, none), (able, _, ending) = (
        w.key.partition("+") for w in sorted((one, other), key=_by_key)
    )
    return deed == able and not none and ending in ("able", "ible")


def _by_key(word: Word) -> int:
    return len(word.key)


def _is_typo(one: Word, other: Word) -> bool:
    if one.is_number or other.is_number or (one.is_name and other.is_name):
        return False
    return is_typo(one.text, other.text)


def _drop_joined(
    left: list[Word], right: list[Word], all_right: Sequence[Word], pairs: list
) -> None:
    """ "database" for "data base", and "hr" for words that begin with h and r."""
    for word in tuple(left):
        for size in (2, 3, 4):
            for at in range(len(all_right) - size + 1):
                run = all_right[at : at + size]
                if all(part in right for part in run) and _stands_for(word.text, run):
                    left.remove(word)
                    for part in run:
                        right.remove(part)
                    break
            else:
                continue
            break


def _stands_for(text: str, run: Sequence[Word]) -> bool:
    if text == "".join(part.text for part in run):
        return True
    return 3 <= len(text) == len(run) and text == "".join(part.text[0] for part in run)


def _drop_repeated(rest: list[Word], words: Sequence[Word]) -> None:
    """A word said twice needs one counterpart only."""
    for word in tuple(rest):
        if (
            not word.is_number
            and any(w is not word and w.key == word.key for w in words)
            and not any(w is not word and w.key == word.key for w in rest)
        ):
            rest.remove(word)


@lru_cache(maxsize=20_000)
def is_typo(one: str, other: str) -> bool:
    """One letter apart, and just one of them is a word: "lunch" is no misspelt "launch"."""
    if min(len(one), len(other)) < SHORTEST_WITH_TYPO or one[0] != other[0]:
        return False
    if not are_one_letter_apart(one, other) or _tells_apart(one, other):
        return False
    known = is_known(one) + is_known(other)
    # Of two unknown words only a slip of the fingers is taken for one: drugs differ by one letter.
    return known == 1 or (known == 0 and len(one) > 6 and _is_slip(one, other))


def _is_slip(one: str, other: str) -> bool:
    """Two letters swapped, or one of them doubled."""
    return sorted(one) == sorted(other) or undoubled(one) == undoubled(other)


def _tells_apart(one: str, other: str) -> bool:
    for pair in _PREFIX_PAIRS:
        if one.startswith(pair) and other.startswith(pair):
            first = next(p for p in pair if one.startswith(p))
            second = next(p for p in pair if other.startswith(p))
            if first != second:
                return True
    roles = {text[-2:] for text in (one, other)}
    return len(roles) == 2 and roles <= set(_ROLE_ENDINGS)


def opposites_between(match: Match) -> tuple[Word, Word] | None:
    for one in match.only_a:
        for other in match.only_b:
            if are_opposite(one.key, other.key):
                return one, other
    return None
