"""An answer made from the passages of the prompt: the sentences that share most with the question, cited."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PASSAGE = re.compile(
    r'<passage n="(?P<n>\d+)"[^>]*>\n?(?P<text>.*?)\n?</passage>', re.DOTALL | re.IGNORECASE
)
QUESTION = re.compile(r"^Question: ?", re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
MARKUP = re.compile(r"^[\s#>*|\-]+|[\s|*]+$")
WORD = re.compile(r"[^\W_]+")
COMMON = frozenset(
    WORD.findall(
        "a an and are as at be by can do does for from has have how i in is it its of on or that"
        " the this to was what when where which who why will with you your"
    )
)
SENTENCES = 3  # in an answer whose length nobody has asked for
NO_CONTEXT = "No passages were given, so there is nothing to answer from."


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    passage: int
    words: frozenset[str]
    score: float = 0.0


@lru_cache(maxsize=4096)
def compose(prompt: str, tokens: int | None, bad_citation: bool = False) -> tuple[str, ...]:
    """The pieces of the answer, a word or a citation each; exactly `tokens` of them if given."""
    ranked = rank_sentences(prompt)
    if not ranked:
        return _fit([tuple(_words(NO_CONTEXT))], tokens)
    if tokens is None:
        ranked = [s for s in ranked[:SENTENCES] if s.score >= ranked[0].score / 2]
    parts = [(*_words(sentence.text), f" [{sentence.passage}]") for sentence in ranked]
    if bad_citation:
        parts[0] = (*parts[0], " [99]")
    return _fit(parts, tokens)


def rank_sentences(prompt: str) -> list[Sentence]:
    """Every sentence of every passage, best first: by the question's words that it holds, of which
    the rare ones weigh more; order in the prompt decides between equals."""
    asked = _keywords(_question(prompt))
    found = [
        Sentence(text, int(match["n"]), frozenset(asked & _keywords(text)))
        for match in PASSAGE.finditer(prompt)
        for text in _sentences(match["text"])
    ]
    holders = Counter(word for sentence in found for word in sentence.words)
    weights = {word: math.log(1 + len(found) / count) for word, count in holders.items()}
    scored = [replace(each, score=sum(weights[word] for word in each.words)) for each in found]
    return sorted(scored, key=lambda sentence: -sentence.score)


def _question(prompt: str) -> str:
    """What follows the last passage, without the label."""
    tail = prompt[prompt.rfind("</passage>") + 1 :]
    label = QUESTION.search(tail)
    return tail[label.end() :] if label else tail


def _sentences(text: str) -> list[str]:
    """Whole sentences; headings and other fragments only if there is nothing else."""
    parts = [MARKUP.sub("", part) for part in SENTENCE_END.split(text)]
    parts = [part for part in parts if len(WORD.findall(part)) > 2]
    whole = [part for part in parts if part.endswith((".", "!", "?"))]
    return whole or parts or [" ".join(text.split())]


def _keywords(text: str) -> set[str]:
    words = (word.casefold() for word in WORD.findall(text))
    return {word.removesuffix("s") for word in words if word not in COMMON}


def _words(text: str) -> list[str]:
    """Words with the space before them, so that pieces joined give the text."""
    return [word if i == 0 else f" {word}" for i, word in enumerate(text.split())]


def _fit(parts: list[tuple[str, ...]], tokens: int | None) -> tuple[str, ...]:
    """All parts once, or cut or repeated to `tokens` pieces; a cut sentence keeps its citation."""
    if tokens is None:
        return tuple(chain.from_iterable(_spaced(parts)))
    pieces: list[str] = []
    if tokens <= 0:
        return ()
    for part in _spaced(cycle(parts)):
        kept = list(islice(part, tokens - len(pieces)))
        pieces += kept
        if len(pieces) >= tokens:
            if len(kept) > 1 and part[-1].startswith(" ["):
                pieces[-1] = part[-1]
            break
    return tuple(pieces)


def _spaced(parts: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The first word of every part but the first gets its space."""
    for i, part in enumerate(parts):
        yield part if i == 0 else (f" {part[0]}", *part[1:])
