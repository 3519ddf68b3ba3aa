"""A question as the guards see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from retrieval.query.guards import function_words as fw, lexicon
from retrieval.query.guards.question_word import asked_of
from retrieval.query.guards.spelling import Replaced, asked_word, meant_beside
from retrieval.query.guards.stems import key_of
from retrieval.query.guards.tokens import Token, tokens_of
from retrieval.query.guards.vocabulary import corrected


class Word(NamedTuple):
    """A word that carries a subject; `block` counts the phrases, `role` is what governs this one."""

    text: str
    raw: str
    key: str
    at: int
    block: int
    role: str

    @property
    def said(self) -> str:
        """As the asker wrote it."""
        return (self.raw or self.text).lstrip("~")

    @property
    def is_number(self) -> bool:
        return any(char.isdigit() for char in self.text)

    @property
    def is_name(self) -> bool:
        """Written as a name or a code, unless it only begins the question."""
        inside = self.raw[1:]
        coded = any(c.isupper() or c.isdigit() or c in "_./" for c in inside)
        return coded or (self.at > 0 and self.raw[:1].isupper())


@dataclass(frozen=True, slots=True)
class Reading:
    tokens: tuple[Token, ...]
    texts: frozenset[str]
    words: tuple[Word, ...]
    asked: str


def read_both(question: str, other: str) -> tuple[Reading, Reading]:
    """Each with the words it misspells as the other one spells them."""
    return (
        read(question, meant_beside(question, other)),
        read(other, meant_beside(other, question)),
    )


@lru_cache(maxsize=4096)
def read(question: str, replaced: Replaced = ()) -> Reading:
    meant = dict(replaced)
    spelled = [
        token._replace(text=meant.get(token.text) or _spelled(token, begins=not at))
        for at, token in enumerate(tokens_of(question))
    ]
    tokens = tuple(_without_opening(_pronoun_filled(_particles_joined(_phrases_replaced(spelled)))))
    texts = frozenset(token.text for token in tokens)
    return Reading(tokens, texts, tuple(_words(tokens)), asked_of(tokens))


def _spelled(token: Token, *, begins: bool) -> str:
    # A capital may begin a name, which is spelled as its owner likes.
    if token.raw.islower():
        return corrected(asked_word(token.text))
    return asked_word(token.text) if begins else token.text


def _phrases_replaced(tokens: list[Token]) -> list[Token]:
    texts = tuple(token.text for token in tokens)
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        begun = _has_begun(found)
        length, instead = _phrase_at(texts, at, begun=begun)
        found.extend((Token(word, word) for word in instead) if length else (tokens[at],))
        at += length or 1
    return found


def _phrase_at(texts: tuple[str, ...], at: int, *, begun: bool) -> tuple[int, tuple[str, ...]]:
    """How many tokens the longest phrase has that begins here, and what is read for it."""
    lengths, instead_of = lexicon.phrases()
    for length in lengths.get(texts[at], ()):
        phrase = texts[at : at + length]
        instead = instead_of.get(phrase)
        if instead is None and not begun:
            instead = instead_of.get((lexicon.BEGINNING, *phrase))
        # "Give me" is politeness only where the question begins.
        spoken = not instead and not fw.SPEAKERS.keys().isdisjoint(phrase)
        if instead is not None and not (spoken and begun):
            return length, instead
    return 0, ()


def _has_begun(tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[-1].text not in fw.PUNCTUATION


def _pronoun_filled(tokens: list[Token]) -> list[Token]:
    """ "My password, how do I reset it" as "how do I reset my password"."""
    places = [at for at, token in enumerate(tokens) if token.text in ("it", "them")]
    comma = next((at for at, token in enumerate(tokens) if token.text == ","), 0)
    if len(places) != 1 or not 0 < comma < places[0] or comma > _LONGEST_NAMED:
        return tokens
    place = places[0]
    return [*tokens[comma + 1 : place], *tokens[:comma], *tokens[place + 1 :]]


# Tokens of a thing that is named before it is asked about.
_LONGEST_NAMED = 4


def _without_opening(tokens: list[Token]) -> list[Token]:
    """What is left of "hi," and "quick question:"."""
    first = next((at for at, t in enumerate(tokens) if t.text not in fw.PUNCTUATION), 0)
    return tokens[first:]


def _particles_joined(tokens: list[Token]) -> list[Token]:
    """ "Switch ... off" as "switch off ..."."""
    for at, token in enumerate(tokens):
        if token.text not in _PARTICLE_VERBS:
            continue
        for place in range(at + 2, min(at + 5, len(tokens))):
            word = _PARTICLE_VERBS[token.text].get(tokens[place].text)
            if word and (place + 1 == len(tokens) or tokens[place + 1].text in fw.BREAKS):
                return [
                    *tokens[:at],
                    Token(word, word),
                    *tokens[at + 1 : place],
                    *tokens[place + 1 :],
                ]
    return tokens


_SWITCH = {"on": "enable", "off": "disable", "down": "reduce", "up": "increase"}
_PARTICLE_VERBS = {
    "turn": _SWITCH, "switch": _SWITCH, "set": {"up": "configure"}, "back": {"up": "backup"},
    "shut": {"down": "shutdown", "off": "disable"}, "send": {"back": "return", "in": "submit"},
    "give": {"back": "return", "up": "quit"}, "call": {"off": "cancel"}, "put": {"off": "postpone"},
    "fill": {"out": "complete", "in": "complete"}, "hand": {"in": "submit"},
    "pick": {"up": "pickup"}, "drop": {"off": "dropoff"}, "pay": {"back": "repay"},
    "speed": {"up": "accelerate"}, "slow": {"down": "decelerate"},
}  # fmt: skip


def _words(tokens: tuple[Token, ...]) -> list[Word]:
    found: list[Word] = []
    block, role = 0, ""
    for at, token in enumerate(tokens):
        if token.text in fw.BREAKS:
            block += 1
            role = _role_after(token.text, role, begins=not found)
            if role == "for" and any(w.key in _EXCHANGED for w in found):
                # "Euros for dollars" are euros into dollars.
                role = "to"
        if not is_empty(token):
            found.append(Word(token.text, token.raw, key_of(token.text), at, block, role))
    return found


_EXCHANGED = frozenset(key_of(verb) for verb in ("exchange", "change", "swap", "trade", "convert"))


def _role_after(text: str, role: str, *, begins: bool) -> str:
    if text in fw.JOINING:
        return role
    if text in fw.PUNCTUATION or (begins and text in fw.RELATIVES):
        return ""
    return fw.SAME_ROLES.get(text, text)


def is_empty(token: Token) -> bool:
    # "US" and "IT" are names where they are written so.
    if token.raw.isupper() and len(token.raw) > 1 and token.text in fw.PRONOUNS:
        return False
    return token.text in fw.EMPTY or token.text.startswith("?")
