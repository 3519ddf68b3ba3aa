"""Who does what to whom."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from retrieval.query.guards import function_words as fw
from retrieval.query.guards.direction import are_compared
from retrieval.query.guards.lexicon import words
from retrieval.query.guards.question_word import DOERS
from retrieval.query.guards.refusal import Refusal
from retrieval.query.guards.stems import is_past_form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrieval.query.guards.matching import Match
    from retrieval.query.guards.reading import Reading, Word

Pairs = list[tuple["Word", "Word"]]
Inverted = tuple[tuple["Word", "Word"], tuple["Word", "Word"]]
_BE = words("is are was were be been being am get gets got getting")
_DO = words("do does did")
_OF_SENTENCES = (
    fw.AUXILIARIES | (fw.BREAKS - words("of in for on at")) | fw.NEGATIONS | fw.SPEAKERS.keys()
)
_ADVERBS = fw.TIMES | words(
    "quickly fast slowly early late online offline free easily safely again immediately "
    "automatically manually permanently temporarily remotely locally abroad together"
)
_OF_PLACE = words("in on at") | {""}
_NOMINAL = ("tion", "sion", "ment", "ing", "al", "ance", "age", "ure", "ery", "ity", "ness")
# How many tokens an object may stand behind its verb: "register for my new dog".
_REACH = 5


def check_roles(a: Reading, b: Reading, match: Match) -> Refusal | None:
    if are_compared(a, b):
        return None
    if _asks_other_side(a, b) or _asks_other_side(b, a):
        return Refusal("roles", "who does it and whom it is done to")
    if _are_persons_swapped(a, b) or _is_asker_done_to(a, b, match):
        return Refusal("roles", "the persons are others")
    pairs = list(match.pairs)
    if any(_agrees(variant, a, b) for variant in _variants(a, b, pairs)):
        return None
    return Refusal("roles", f"{_said(word for word, _ in pairs)} in another order")


def _are_persons_swapped(a: Reading, b: Reading) -> bool:
    """ "Can I sue" and "can ... sue me"; "what do I owe" and "what do you owe"."""
    one, other = (_persons(reading) for reading in (a, b))
    if one == other or not one or not other:
        return False
    if len(one) > 1 or len(other) > 1 or "me" in one + other:
        return True
    return a.asked in ("what", "who", "when") and b.asked == a.asked


def _is_asker_done_to(a: Reading, b: Reading, match: Match) -> bool:
    """ "When am I paid" and "when do I pay"."""
    return any(
        one.key == other.key
        and is_past_form(one.text) != is_past_form(other.text)
        and "am" in (a if is_past_form(one.text) else b).texts
        for one, other in match.pairs
    )


def _persons(reading: Reading) -> list[str]:
    """In the order they are named."""
    return list(
        dict.fromkeys(
            fw.SPEAKERS[token.text] for token in reading.tokens if token.text in fw.SPEAKERS
        )
    )


def _asks_other_side(one: Reading, other: Reading) -> bool:
    """ "Who hired X" asks for another person than "who did X hire"."""
    if one.asked not in ("who", "what") or one.asked != other.asked:
        return False
    named = other.texts & (fw.AUXILIARIES | {"?what", "?can", "?must", "?need", "?should"})
    return bool(one.texts & _DO) and not named


def _variants(a: Reading, b: Reading, pairs: Pairs) -> list[Pairs]:
    """As they stand, and with a passive turned into its active form."""
    ways_a, ways_b = _ways(a, b), _ways(b, a)
    return [
        [(way_a.get(x, x), way_b.get(y, y)) for x, y in pairs]
        for way_a in ways_a
        for way_b in ways_b
    ]


def _ways(reading: Reading, other: Reading) -> list[dict[Word, Word]]:
    verb = passive_verb(reading)
    if verb is None:
        return [_object_behind(reading)]
    active = _as_active(reading, verb)
    has_agent = any(w.role == "by" for w in reading.words)
    # "found" in "when did X found" has X for its subject; a passive is no match for it as it stands.
    if has_agent or other.texts & {"do", "does", "did"}:
        return [active]
    return [{}, active]


def _object_behind(reading: Reading) -> dict[Word, Word]:
    """ "Which plans do you offer" in the order of "you offer plans"."""
    if reading.asked not in ("what", "?howmany", "?howmuch") or not reading.texts & _DO:
        return {}
    auxiliary = next(at for at, token in enumerate(reading.tokens) if token.text in _DO)
    fronted = [w for w in reading.words if w.at < auxiliary]
    behind = [w for w in reading.words if w.at > auxiliary]
    if not behind or any(w.block != behind[0].block for w in fronted):
        return {}
    last = max(w.at for w in behind if w.block == behind[0].block)
    moved = {w: w._replace(at=last * 100 + place) for place, w in enumerate(fronted, start=1)}
    return {w: w._replace(at=w.at * 100) for w in behind} | moved


def passive_verb(reading: Reading) -> Word | None:
    if not reading.texts & _BE:
        return None
    first_be = min(at for at, t in enumerate(reading.tokens) if t.text in _BE)
    for word, after in zip(reading.words, [*reading.words[1:], None], strict=True):
        ends_block = after is None or after.block != word.block or after.text in _ADVERBS
        if word.at > first_be and ends_block and is_past_form(word.text):
            return word
    return None


def _as_active(reading: Reading, verb: Word) -> dict[Word, Word]:
    """New places: the agent first, the verb next, then what it is done to."""
    moved: dict[Word, Word] = {}
    agents = [w for w in reading.words if w.role == "by"]
    patients = [w for w in reading.words if w.block == verb.block and w is not verb]
    for place, word in enumerate([*agents, verb, *patients]):
        moved[word] = word._replace(
            at=patients[0].at * 100 + place if patients else place, block=verb.block, role=verb.role
        )
    first = min((w.at for w in patients), default=verb.at)
    for word in reading.words:
        if word not in moved:
            moved[word] = word._replace(at=word.at * 100 + (50 if word.at > first else 0))
    return moved


def _agrees(pairs: Pairs, a: Reading, b: Reading) -> bool:
    inverted = [
        (one, other)
        for one, other in combinations(pairs, 2)
        if (one[0].at < other[0].at) != (one[1].at < other[1].at)
    ]
    if "than" in a.texts | b.texts:
        # "Warmer in May than in June".
        return not inverted
    joined = bool(a.texts & fw.JOINING and b.texts & fw.JOINING)
    unexplained = [
        pair
        for pair in inverted
        if not _is_explained(*pair, joined=joined)
        and not _is_nominal(*pair)
        and not _is_adverb_moved(pair, a, b)
    ]
    return not unexplained or _is_compound(unexplained, a, b) or _is_search(a, b)


def _is_adverb_moved(inverted: Inverted, a: Reading, b: Reading) -> bool:
    """ "Cancel for free" and "free of charge be cancelled": when and how stand anywhere."""
    is_movable = any(
        all(word.text in _ADVERBS and word.role in _OF_PLACE for word in pair) for pair in inverted
    )
    # Of two of them, each may belong to another part: "open on Monday and closed on Friday".
    return is_movable and all(
        sum(word.text in _ADVERBS for word in reading.words) == 1 for reading in (a, b)
    )


def _is_nominal(one: tuple[Word, Word], other: tuple[Word, Word]) -> bool:
    """ "Dog registration" and "register the dog": the noun of a verb stands behind its object."""
    for side in (0, 1):
        first, second = sorted((one, other), key=lambda pair: pair[side].at)
        noun, verb = second[side], second[1 - side]
        beside = noun.at - first[side].at == 1 and noun.block == first[side].block
        governs = 0 < first[1 - side].at - verb.at <= _REACH and verb.block == first[1 - side].block
        if beside and governs and noun.text.endswith(_NOMINAL) and noun.text != verb.text:
            return True
    return False


def _is_search(a: Reading, b: Reading) -> bool:
    """Nouns in a search box stand in any order: "chicken cooking time"."""
    plain = [reading for reading in (a, b) if _is_compound_noun(reading)]
    if len(plain) != 1:
        return False
    asking = b if plain[0] is a else a
    if asking.asked == "who":
        return any("+" in word.key or word.text in DOERS for word in plain[0].words)
    return asking.asked not in ("", "yes or no")


def _is_compound_noun(reading: Reading) -> bool:
    return not reading.asked and not reading.texts & _OF_SENTENCES


def _is_explained(one: tuple[Word, Word], other: tuple[Word, Word], *, joined: bool) -> bool:
    """A phrase moved as a whole: "in X, how ..." or "policy for X" as "X policy"."""
    (one_a, one_b), (other_a, other_b) = one, other
    if one_a.block == other_a.block and one_b.block == other_b.block:
        return False
    if one_a.role == other_a.role and one_b.role == other_b.role:
        return joined or one_a.role in _OF_PLACE - {""}
    return not (one_a.role == other_b.role and other_a.role == one_b.role)


def _is_compound(inverted: list[Inverted], a: Reading, b: Reading) -> bool:
    """ "password reset" for "how to reset the password": one word moved over those beside it."""
    kinds = {a.asked, b.asked}
    moved = set(inverted[0]).intersection(*map(set, inverted))
    if kinds <= {"what", ""} and moved and any(_is_predicate(pair, a, b) for pair in inverted):
        return True
    if kinds <= {"what", ""} and any(w.text.endswith("est") for pair in moved for w in pair[:1]):
        # "Which river is the longest" and "the longest river".
        return True
    if kinds not in ({"", "how to"}, {"", "how"}, {"how", "how to"}, {"what", "how to"}):
        return False
    together = all(
        one[side].block == other[side].block for one, other in inverted for side in (0, 1)
    )
    return together and bool(moved)


def _is_predicate(inverted: Inverted, a: Reading, b: Reading) -> bool:
    """ "Which museums are free" and "free museums"."""
    one, other = inverted
    parted = [
        {t.text for t in reading.tokens[min(x.at, y.at) + 1 : max(x.at, y.at)]}
        for reading, x, y in ((a, one[0], other[0]), (b, one[1], other[1]))
    ]
    return (not parted[0] and bool(parted[1] & _BE)) or (not parted[1] and bool(parted[0] & _BE))


def _said(named: Iterable[Word]) -> str:
    return ", ".join(word.text for word in named)
