"""A question's text in tokens, contractions written out and numbers as figures."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from retrieval.query.guards import function_words as fw, lexicon
from retrieval.query.guards.lexicon import words


class Token(NamedTuple):
    text: str
    raw: str


_TOKEN = re.compile(
    r"""(?<![\w])-\d[\d.,]*\d|(?<![\w])-\d   # a negative number
    | \d{1,3}(?:,\d{3})+(?:\.\d+)?           # 12,000
    | \d+(?:[.:/]\d+)+\w*                    # 3.11, 17:30, 1/2
    | \d+(?:st|nd|rd|th)\b
    | \d+[^\W\d_]*\w*
    | (?<!\S)--?[A-Za-z][\w-]*               # --option
    | (?<!\S)[~/][\w./~-]+                   # /a/path
    | [A-Za-z](?:\.[A-Za-z])+\.?(?!\w)       # U.S.
    | [A-Za-z](?:\+\+|\#)
    | \.?[^\W\d]\w*(?:['’][^\W\d]+)?(?:\.\w+)*
    | [^\s\w]|\w""",
    re.VERBOSE,
)
_FIGURE_AND_UNIT = re.compile(r"(\d+(?:[.:]\d+)*)([a-z]+)")
_QUOTES = str.maketrans("’‘`´“”–—‐‑", "''''\"\"----")
_IGNORED = frozenset(".!?\"'()[]{}*<>|\\_#~^=/-")
_IS_AFTER = words("what who where when how why that it there here he she")
_ENDINGS = {"'re": "are", "'ll": "will", "'ve": "have", "'d": "would", "'m": "am"}
_WRITTEN_TOGETHER = {
    "cannot": "can not", "cant": "can not", "dont": "do not", "doesnt": "does not",
    "didnt": "did not", "wont": "will not", "isnt": "is not", "arent": "are not",
    "wasnt": "was not", "werent": "were not", "couldnt": "could not", "shouldnt": "should not",
    "wouldnt": "would not", "havent": "have not", "hasnt": "has not", "hadnt": "had not",
    "mustnt": "must not", "whats": "what is", "wheres": "where is", "hows": "how is",
    "whos": "who is", "whens": "when is", "im": "i am", "ive": "i have", "youre": "you are",
    "theyre": "they are", "gonna": "going to", "wanna": "want to", "gotta": "have to",
    "can't": "can not", "won't": "will not", "shan't": "shall not", "let's": "let us",
    "u": "you", "ur": "your", "thru": "through", "w/o": "without", "teh": "the", "hte": "the", "adn": "and", "wiht": "with",
    "waht": "what", "hwat": "what", "hwo": "how", "taht": "that", "whn": "when", "wich": "which",
    "cna": "can",
}  # fmt: skip
_SMALL = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
_ORDINALS = {
    word: f"{value}th"
    for value, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
        ],
        start=1,
    )
}
_ROMAN = {
    "ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11",
    "xii": "12",
}  # fmt: skip
_CURRENCIES = frozenset("$€£¥₹")


@lru_cache(maxsize=4096)
def tokens_of(question: str) -> tuple[Token, ...]:
    text = unicodedata.normalize("NFKC", question).translate(_QUOTES)
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        raw = match[0]
        if raw not in _IGNORED:
            found.extend(_written_out(raw))
    return tuple(_numbers_in_figures(_currency_behind(_told_apart(found))))


def _told_apart(tokens: list[Token]) -> list[Token]:
    """The month of May, and the letter A, which are written like words of no subject."""
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if not before:
            continue
        if token.text == "may" and _is_month(token, before, after):
            tokens[at] = Token("mai", token.raw)
        elif token.text == "a" and _is_letter(token, before, after):
            tokens[at] = Token("a.", token.raw)
    return tokens


def _is_month(token: Token, before: Token, after: str) -> bool:
    dated = before.text[-1:].isdigit() or after[:1].isdigit()
    return token.raw == "May" or before.text in _BEFORE_MONTHS or dated


def _is_letter(token: Token, before: Token, after: str) -> bool:
    named = token.raw == "A" and before.raw.islower() and before.text not in fw.EMPTY
    return named or not after[:1].isalnum()


_BEFORE_MONTHS = words("in of since until during last next early late mid by")


def _written_out(raw: str) -> list[Token]:
    if raw == "US":
        return [Token("usa", raw)]
    text = raw.lower()
    if text in _WRITTEN_TOGETHER:
        return [Token(word, word) for word in _WRITTEN_TOGETHER[text].split()]
    if text.endswith("n't"):
        return [Token(text[:-3], text[:-3]), Token("not", "not")]
    stem, apostrophe, ending = text.rpartition("'")
    if apostrophe:
        if ending == "s" and stem in _IS_AFTER:
            return [Token(stem, stem), Token("is", "is")]
        if f"'{ending}" in _ENDINGS:
            return [Token(stem, stem), Token(_ENDINGS[f"'{ending}"], "")]
        return [Token(stem, raw[: len(stem)])] if ending in ("s", "") else [Token(text, raw)]
    if text[0].isdigit():
        return _figure(text, raw)
    return [Token(text, raw)]


def _figure(text: str, raw: str) -> list[Token]:
    plain = text.replace(",", "")
    ordinal = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", plain)
    if ordinal:
        return [Token(f"{ordinal[1]}th", raw)]
    parts = _FIGURE_AND_UNIT.fullmatch(plain)
    if parts and (parts[2] in lexicon.base_forms() or parts[2] in _UNITS):
        return [*_figure(parts[1], parts[1]), Token(parts[2], parts[2])]
    return [Token(plain.removesuffix(":00"), raw)]


_UNITS = words("am pm kg km cm mm ml mg g l m mb gb tb kb v w kw mph")


def _currency_behind(tokens: list[Token]) -> list[Token]:
    """ "$ 20" as "20 $", which is how it is spoken."""
    for at in range(len(tokens) - 1):
        if tokens[at].text in _CURRENCIES and tokens[at + 1].text[0].isdigit():
            tokens[at], tokens[at + 1] = tokens[at + 1], tokens[at]
    return tokens


def _numbers_in_figures(tokens: list[Token]) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        value, used = _spelled_number(tokens, at)
        if used:
            found.append(Token(value, value))
            at += used
            continue
        token = tokens[at]
        text = _ROMAN.get(token.text) or _ordinal(tokens, at) or token.text
        found.append(Token(text, token.raw))
        at += 1
    return found


def _ordinal(tokens: list[Token], at: int) -> str | None:
    text = tokens[at].text
    before = tokens[at - 1].text if at else ""
    # "a second", "30 second", "per second" are time.
    if text == "second" and (before in ("a", "per", "each", "every") or before[:1].isdigit()):
        return None
    return _ORDINALS.get(text)


def _spelled_number(tokens: list[Token], at: int) -> tuple[str, int]:
    """The number that begins here and how many tokens it takes; 0 if none begins."""
    total, current, used = 0, 0, 0
    position = at
    while position < len(tokens):
        word = tokens[position].text
        if word in _SMALL and not (
            used and tokens[position - 1].text in _SMALL and _SMALL[tokens[position - 1].text] < 20
        ):
            current += _SMALL[word]
        elif word in _SCALES and (used or word != "hundred"):
            current = (current or 1) * _SCALES[word]
            if word != "hundred":
                total, current = total + current, 0
        elif not used and word.isdigit() and _next_is_scale(tokens, position):
            current = int(word)
        elif not (
            used
            and word == "and"
            and _is_small(tokens, position + 1)
            and tokens[position - 1].text in _SCALES
        ):
            break
        position += 1
        used = position - at
    if not used or (used == 1 and tokens[at].text == "one"):
        return "", 0
    if used == 1 and tokens[at].text in _SCALES:
        return "", 0
    return str(total + current), used


def _next_is_scale(tokens: list[Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].text in _SCALES


def _is_small(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].text in _SMALL
