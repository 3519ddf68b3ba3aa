"""Words as BM25 sees them, the same for chunks and questions.

A term is a stemmed word hashed to 30 bits: no vocabulary table is kept, and two of a tenant's words
meeting in one id is rarer than one in a thousand for vocabularies of a million words.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from py_rust_stemmers import SnowballStemmer  # pyright: ignore[reportAttributeAccessIssue]

if TYPE_CHECKING:
    from collections.abc import Iterable

TermCounts: TypeAlias = Counter[int]

# pgvector's sparsevec takes up to a billion dimensions, counted from 1; so are terms.
DIMENSIONS = 1_000_000_000
K1 = 1.2
B = 0.75
# Not a term: TermFrequency's row under this id counts all the tenant's chunks.
TOTAL_TERM = 0
# A sparsevec holds at most 16,000 values; a chunk has a few hundred terms.
MAX_TERMS = 4_000
# A chunk fills some 80 % of its tokens, and a word takes 1.3 of them.
WORDS_PER_CHUNK_TOKEN = 0.6

# Passages come up again and again: of so many each process remembers what it read in them.
MOST_READ = 1_000

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STEMMER = SnowballStemmer("english")


def term_counts(text: str) -> TermCounts:
    """How often each term stands in `text`."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return Counter(map(_term_id, _WORD.findall(folded)))


@lru_cache(maxsize=100_000)
def _term_id(word: str) -> int:
    stem = (
        _STEMMER.stem_word(word.removesuffix("'s").removesuffix("’s")) if word.isascii() else word
    )
    return zlib.crc32(stem.encode()) % DIMENSIONS + 1


def typical_length(chunk_tokens: int) -> float:
    """The average length that BM25 compares with, in words.

    Taken from the setting and not from the chunks: stored weights then stay right when others come.
    """
    return chunk_tokens * WORDS_PER_CHUNK_TOKEN


def saturated_frequencies(counts: Counter[int], average_length: float) -> dict[int, float]:
    """BM25's term frequency part (Robertson and Zaragoza 2009), to be multiplied by the term's IDF."""
    length = sum(counts.values())
    norm = K1 * (1 - B + B * length / max(average_length, 1.0))
    kept = counts.most_common(MAX_TERMS)
    return {term: count * (K1 + 1) / (count + norm) for term, count in kept}


# Words that only make a sentence a question.
QUESTION_TERMS = frozenset(
    term_counts(
        "what which who whom whose when where why how do does did is are was were can could would "
        "should will i you my your me we our be been am have has had a an the of in on to for it "
        "its this that these those there and or if by with as at from"
    )
)

# Of a question's words so many are searched for, of the longest only the first.
MOST_SEARCHED = 100
# Terms of what is no word lie above those of words.
_NAMES = 2**31 - 1 - DIMENSIONS


def search_terms(*texts: str) -> list[int]:
    """The words of `texts` that tell questions apart, each once."""
    found = dict.fromkeys(term for text in texts for term in term_counts(text))
    return [term for term in found if term not in QUESTION_TERMS][:MOST_SEARCHED]


def name_term(name: str) -> int:
    """Of a document's id, or of whoever asked."""
    return DIMENSIONS + 1 + zlib.crc32(name.encode()) % _NAMES


def trace_terms(texts: Iterable[str], document_ids: Iterable[str], asked_by: str = "") -> list[int]:
    """What a trace is found by: its question's words, the documents that were shown, and the asker."""
    names = dict.fromkeys((*document_ids, asked_by) if asked_by else document_ids)
    return [*search_terms(*texts), *map(name_term, names)]


def as_sparsevec(weights: dict[int, float]) -> str:
    """pgvector's text form, `{index:value,…}/dimensions`, its indices counted from 1 as terms are."""
    inside = ",".join(f"{term}:{weight:.5g}" for term, weight in sorted(weights.items()))
    return f"{{{inside}}}/{DIMENSIONS}"
