"""Misspelt words, read as what they must mean: alone, or beside the other question's words."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from retrieval.query.guards import lexicon
from retrieval.query.guards.lexicon import words
from retrieval.query.guards.tokens import tokens_of
from retrieval.query.guards.vocabulary import are_one_letter_apart, is_known, said_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrieval.query.guards.tokens import Token

Replaced = tuple[tuple[str, str], ...]

# Of shorter words nearly every other letter makes another word.
SHORTEST = 3
_SHORTEST_MEANT = 4
# From here on the same letters in another order are the same word.
_LONG = 7
_ASKING = words(
    "what where when which does should could would there have with from this that your about "
    "because please need"
)


def meant_beside(question: str, other: str) -> Replaced:
    """Which unknown words of a question are slips of the fingers for words of the other one."""
    unknown = unknown_words(question)
    if not unknown:
        return ()
    known = [token for token in tokens_of(other) if len(token.text) >= _SHORTEST_MEANT]
    found = ((token.text, _meant(token, known)) for token in unknown)
    return tuple((word, meant) for word, meant in found if meant)


def _meant(token: Token, known: Iterable[Token]) -> str:
    near = {
        other.text
        for other in known
        if is_slip_of(token.text, other.text)
        or (_is_plain(token, other) and are_letters_mistaken(token.text, other.text))
    }
    return near.pop() if len(near) == 1 else ""


def _is_plain(token: Token, other: Token) -> bool:
    return token.raw.islower() and other.raw.islower()


def are_letters_mistaken(word: str, meant: str) -> bool:
    """One letter more, less or other, in a word long enough to be recognised."""
    return (
        len(meant) > _SHORTEST_MEANT
        and word[0] == meant[0]
        and are_one_letter_apart(word, meant)
        and _is_word(meant)
    )


def is_slip_of(word: str, meant: str) -> bool:
    """Two letters swapped, one doubled or one left out within a word."""
    if word[0] != meant[0] or not _is_word(meant):
        return False
    if len(word) >= _LONG and sorted(word) == sorted(meant):
        return True
    if not are_one_letter_apart(word, meant):
        return False
    if sorted(word) == sorted(meant) or undoubled(word) == undoubled(meant):
        return True
    return len(word) < len(meant) and word[-1] == meant[-1]


def undoubled(word: str) -> str:
    return "".join(char for char, after in zip(word, f"{word[1:]} ", strict=True) if char != after)


@lru_cache(maxsize=4096)
def unknown_words(question: str) -> tuple[Token, ...]:
    return tuple(
        token
        for token in tokens_of(question)
        if len(token.text) >= SHORTEST and token.text.isalpha() and not _is_word(token.text)
    )


def _is_word(word: str) -> bool:
    return is_known(word) or word in lexicon.base_forms() or word in said_words()


@lru_cache(maxsize=20_000)
def asked_word(word: str) -> str:
    """ "whre" as "where": the words that ask are few, and none is a slip for a subject."""
    if len(word) < SHORTEST or not word.isalpha() or _is_word(word):
        return word
    near = [meant for meant in _ASKING if is_slip_of(word, meant)]
    return near[0] if len(near) == 1 else word
