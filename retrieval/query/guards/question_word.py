"""What is asked for: a person, a time, a place, a reason, a way, a yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.query.guards import function_words as fw
from retrieval.query.guards.lexicon import words
from retrieval.query.guards.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.query.guards.reading import Reading
    from retrieval.query.guards.tokens import Token

_KINDS = {
    "?what": "what", "what": "what", "which": "what", "who": "who", "whose": "who", "?who": "who",
    "when": "when", "where": "where", "?where": "where", "why": "why", "?why": "why",
    "how": "how", "?howto": "how to", "?can": "yes or no", "?must": "yes or no",
    "?need": "yes or no",
    "?should": "yes or no", "?is": "yes or no",
}  # fmt: skip
# No question word at all, as in a search box, leaves these open.
_LEFT_OPEN = frozenset({"what", "how", "how to", "yes or no"})
_TIME_NOUNS = words("deadline date openinghours schedule due")
DOERS = words(
    "author inventor winner founder owner president ceo king queen leader director manager "
    "discoverer creator painter composer head minister chairman mayor champion holder person human name coach boss chancellor pope emperor chief chair contact "
    "representative speaker captain singer actor architect"
)
# The noun that asks for the same, beside "what is" or with no question word at all.
MEASURES = {
    "?howfar": frozenset(("distance",)),
    "?howtall": words("height rate interestrate exchangerate temperature limit price"),
    "?howbig": words("size area population"),
    "?howfast": words("speed velocity"),
    "?howold": frozenset(("age",)),
    "?howdeep": frozenset(("depth",)),
    "?howheavy": frozenset(("weight", "mass")),
    "?howmuch": words("amount dose dosage quantity allowance entitlement quota"),
    "?howloud": frozenset(("noise", "volume", "loudness")),
    "?howwide": frozenset(("width",)),
    "?howthick": frozenset(("thickness",)),
    "?howhot": frozenset(("temperature",)),
    "?howmany": frozenset(("population",)),
    "?whatdo": words("function role job task"),
    "?howsoon": words("speed velocity"),
    "?whattemp": words("temperature point"),
    "?howoften": frozenset(("frequency",)),
    "?howlong": words(
        "duration length period time day week month year minute hour statuteoflimitations "
        "lifespan shelflife halflife timeout warranty interval"
    ),
    "cost": words("cost price fee charge fare"),
    "when": _TIME_NOUNS,
    "?whattime": _TIME_NOUNS,
    "?whatday": frozenset(("openinghours", "day", "days")),
    "?whatdate": _TIME_NOUNS,
    "where": frozenset(("location", "address", "place")),
    "who": DOERS | {"eligibility"},
    "why": frozenset(("cause", "reason")),
}  # fmt: skip
_NEAR = frozenset(
    frozenset(pair)
    for pair in (
        ("when", "?whatdate"), ("when", "?whatyear"), ("when", "?whattime"), ("when", "?whatday"),
        ("when", "?whatmonth"), ("?howsoon", "?howlong"), ("?howsoon", "when"),
        ("?howsoon", "?howfast"), ("?whattemp", "?howhot"), ("when", "?whatcentury"), ("how", "how to"),
    )
)  # fmt: skip
_COST = words("cost price fee charge expense")
# Of these one asks "what is" and means "how much is".
_AMOUNTS = _COST | words(
    "fine wage salary rent deposit penalty tax tuition bill rate allowance amount fare toll "
    "premium budget pension interest interestrate commission subscription tip"
)


def asked_of(tokens: Sequence[Token]) -> str:
    """The kind of the first question word, or "" where there is none."""
    found = ""
    for at in range(len(tokens)):
        kind = _kind_at(tokens, at)
        if not kind:
            continue
        if not _is_subordinate(tokens, at):
            found = kind
            break
        found = found or kind
    if found == "what" and tokens[-1].text == "do":
        # "What does a notary do" is not "what is a notary".
        return "?whatdo"
    return _with_cost(found, tokens)


def _kind_at(tokens: Sequence[Token], at: int) -> str:
    text = tokens[at].text
    if text in _KINDS:
        return _KINDS[text]
    if text.startswith("?") and len(text) > 1:
        return text
    opens = at == 0 or tokens[at - 1].text in fw.PUNCTUATION
    return "yes or no" if opens and text in fw.AUXILIARIES else ""


def _is_subordinate(tokens: Sequence[Token], at: int) -> bool:
    """ "When I leave, do I ..." asks the second; "when do I leave" the first."""
    if tokens[at].text not in ("when", "where", "who", "which", "how"):
        return False
    if tokens[at].text in ("who", "which", "how") and at == 0:
        return False
    following = tokens[at + 1].text if at + 1 < len(tokens) else ""
    later = any(_kind_at(tokens, place) for place in range(at + 1, len(tokens)))
    return later and following not in fw.AUXILIARIES and not following.startswith("?")


def _with_cost(kind: str, tokens: Sequence[Token]) -> str:
    """ "What is the price of" and "how much does ... cost" ask the same."""
    if kind == "?howtall" and any(t.text in _AMOUNTS for t in tokens):
        return "cost"
    if kind == "?howmuch":
        return (
            "cost"
            if any(t.text in _COST or t.text in ("is", "are", "pay") for t in tokens)
            else kind
        )
    heads = [t.text for t in tokens if t.text not in fw.EMPTY and not t.text.startswith("?")]
    costs = bool(heads) and (heads[0].rstrip("s") in _COST or heads[-1].rstrip("s") in _COST)
    return "cost" if costs and kind == "what" else kind


# Of these nouns, those that say no more than the question word does.
SAID_BY_ASKING = {
    "?howfar": frozenset(("distance",)),
    "?howtall": frozenset(("height",)),
    "?howbig": frozenset(("size",)),
    "?howfast": frozenset(("speed", "velocity")),
    "?howold": frozenset(("age",)),
    "?howdeep": frozenset(("depth",)),
    "?howheavy": frozenset(("weight",)),
    "?howmuch": words("amount quantity allowance entitlement quota dose dosage"),
    "?howloud": frozenset(("noise", "volume", "loudness")),
    "?howwide": frozenset(("width",)),
    "?howthick": frozenset(("thickness",)),
    "?howhot": frozenset(("temperature",)),
    "who": words(
        "person employee staff team country player man woman people somebody party company authority "
        "office agency department body organisation institution organization"
    ),
    "?howmany": frozenset(("number",)),
    "?whatdo": words("function role job task"),
    "?howsoon": words("speed velocity"),
    "?whattemp": words("temperature point"),
    "?howoften": frozenset(("frequency",)),
    "?howlong": frozenset(("duration", "length", "period", "time")),
    "cost": words("cost price fee charge amount"),
    "when": frozenset(("date",)),
    "?whattime": frozenset(("time",)),
    "where": frozenset(("location", "address", "place")),
    "why": frozenset(("cause", "reason")),
}


def check_question_word(a: Reading, b: Reading) -> Refusal | None:
    if a.asked == b.asked or _ask_alike(a, b):
        return None
    return Refusal("asked", f"{_said(a.asked)} and {_said(b.asked)}")


def _ask_alike(a: Reading, b: Reading) -> bool:
    kinds = frozenset((a.asked, b.asked))
    if kinds in _NEAR or _is_measure_named(a.asked, b) or _is_measure_named(b.asked, a):
        return True
    if kinds in ({"what", "cost"}, {"", "cost"}):
        plain = b if a.asked == "cost" else a
        return any(_singular(word.text) in _AMOUNTS for word in plain.words)
    if kinds == {"how", "why"}:
        return bool(a.texts & _ORIGINS or b.texts & _ORIGINS)
    if kinds == {"", "why"}:
        # "Printer not printing".
        return "not" in a.texts and "not" in b.texts
    if "" in kinds:
        return bool(kinds & _LEFT_OPEN)
    if kinds == {"what", "who"}:
        return _asks_which_person(a if a.asked == "what" else b)
    return kinds == {"what", "how"} and (_compare(a, b) or _asks_state(a, b))


def _is_measure_named(kind: str, named: Reading) -> bool:
    """ "How tall is X" and "the height of X"; "when is" and "the deadline for"."""
    nouns = MEASURES.get(kind, frozenset())
    if kind == "?howlong" and named.asked == "?howmany":
        return any(word.text.rstrip("s") in nouns for word in named.words)
    # "What does X cause" has the noun of "why", and asks the contrary.
    if kind == "who" and not named.asked and any(w.key.endswith(_WHO_DOES) for w in named.words):
        return True
    if not nouns or named.asked not in ("", "" if kind == "why" else "what"):
        return False
    return any(word.text.rstrip("s") in nouns or word.text in nouns for word in named.words)


def _asks_which_person(reading: Reading) -> bool:
    """ "Which team won" and "who won"; "what did the team win" is no such question."""
    texts = [token.text for token in reading.tokens[:2]]
    return len(texts) == 2 and texts[0] in ("which", "what") and _singular(texts[1]) in _WHO


def _singular(word: str) -> str:
    return word.removesuffix("s")


# "How do earthquakes occur" asks what "why do they occur" asks.
_ORIGINS = words("happen happens occur occurs arise arises form forms originate develop develops")
_WHO_DOES = ("+er", "+or", "+ist", "+ian", "+ee")
_WHO = SAID_BY_ASKING["who"]


def _asks_state(a: Reading, b: Reading) -> bool:
    """ "How is X" and "what is X like"."""
    described = next((r for r in (a, b) if r.asked == "what"), a)
    return "like" in described.texts


def _compare(a: Reading, b: Reading) -> bool:
    return "difference" in a.texts and "difference" in b.texts


def _said(kind: str) -> str:
    return kind.lstrip("?") or "nothing"
