"""The word lists beside this file, each read once."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "lexicon"
# In a phrase of the lists: only where the question begins.
BEGINNING = "^"
_PHRASES = ("phrases.txt", "phrases_everyday.txt")
_SYNONYMS = ("synonyms.txt", "synonyms_everyday.txt")

Phrases = dict[tuple[str, ...], tuple[str, ...]]


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def read_lines(name: str) -> Iterator[str]:
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


@cache
def phrases() -> tuple[dict[str, list[int]], Phrases]:
    """How long the phrases are that begin with a word, longest first; what is read for each."""
    instead_of: Phrases = {}
    for line in (line for name in _PHRASES for line in read_lines(name)):
        left, _, right = line.rpartition("=")
        for phrase in left.split("|"):
            spaced = phrase.replace("-", " ").replace("'s", "").replace(BEGINNING, f"{BEGINNING} ")
            parts = tuple(spaced.split())
            instead_of[parts] = tuple(right.split())
    lengths: dict[str, set[int]] = defaultdict(set)
    for parts in instead_of:
        first, *rest = (part for part in parts if part != BEGINNING)
        lengths[first].add(1 + len(rest))
    return {word: sorted(found, reverse=True) for word, found in lengths.items()}, instead_of


@cache
def base_forms() -> dict[str, str]:
    return _bases("same_word.txt") | _bases("irregular_verbs.txt")


@cache
def irregular_verbs() -> dict[str, str]:
    return _bases("irregular_verbs.txt")


def _bases(name: str) -> dict[str, str]:
    bases: dict[str, str] = {}
    for line in read_lines(name):
        base, _, forms = line.partition(":")
        bases.update(dict.fromkeys(forms.split(), base))
    return bases


@cache
def own_stems() -> frozenset[str]:
    names = ("own_stem.txt", "known.txt")
    return frozenset(word for name in names for line in read_lines(name) for word in line.split())


@cache
def listed_words() -> frozenset[str]:
    """All words of the lists, which are no misspellings."""
    names = (*_SYNONYMS, "opposites.txt", "own_stem.txt", "known.txt")
    return frozenset(
        word
        for name in names
        for line in read_lines(name)
        for word in line.replace("|", " ").split()
    )


def synonym_groups() -> Iterator[list[str]]:
    for name in _SYNONYMS:
        for line in read_lines(name):
            yield line.split()


def opposite_sides() -> Iterator[tuple[list[str], list[str]]]:
    for line in read_lines("opposites.txt"):
        one, other = line.split()
        yield one.split("|"), other.split("|")
