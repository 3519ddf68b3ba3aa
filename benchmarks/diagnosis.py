"""From which evidence on a passage is taken to hold the answer, where a thumbs-down is diagnosed.

The demo's documents. Of the questions that they answer, how many find evidence enough; of those that they
do not, how many find it all the same: `far`, of other subjects; `near`, of like ones; `same`, of theirs;
and `taken away`, those that they answer, without the passages that do. The bar was set on the first half of
the questions, the other was written afterwards and is told apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import report, temporary_folder, use_settings
from benchmarks.compression import Words, all_passages, folded, golden_questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HERE = Path(__file__).parent
LEAST_SIMILARITY = 0.2
# Above what an answer needs; and how much more is asked for if all of the question is unknown.
RULES = ((0.0, 0.0), (0.1, 0.0), (0.1, 0.5), (0.15, 0.5), (0.2, 0.5), (0.3, 0.5))


def main() -> None:
    with temporary_folder() as folder:
        use_settings(folder)
        import django

        django.setup()
        measure()


def measure() -> None:
    from retrieval.diagnosis.evidence import HOLDS_MORE, UNKNOWN_WORDS
    from retrieval.query.search import evidence_needed

    library = Library()
    needed = LEAST_SIMILARITY + evidence_needed(len(library.texts))
    found = {name: library.look(*questions) for name, questions in _sets().items()}
    report(
        "diagnosis",
        [
            {
                "above what an answer needs": above,
                "for unknown words": unknown_words,
                "in force": (above, unknown_words) == (HOLDS_MORE, UNKNOWN_WORDS),
                **{
                    name: float((evidence - unknown_words * unknown >= needed + above).mean())
                    for name, (evidence, unknown) in found.items()
                },
            }
            for above, unknown_words in RULES
        ],
        unit="shares that reach the bar",
        questions={name: len(evidence) for name, (evidence, _) in found.items()},
        passages=len(library.texts),
    )


class Library:
    """The passages, their vectors and their words."""

    def __init__(self) -> None:
        from retrieval.providers.embedders import get_embedder
        from retrieval.terms import term_counts

        passages = all_passages()
        self.texts = [passage.embedded_text for _, passage in passages]
        self.folded = [folded(passage.text) for _, passage in passages]
        self.embedder = get_embedder("local:all-MiniLM-L6-v2")
        self.vectors = self.embedder.embed(self.texts)
        self.words = Words(self.texts)
        self.terms = [frozenset(term_counts(text)) for text in self.texts]

    def look(
        self, questions: Sequence[str], taken: Sequence[str] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best evidence of any passage and the share of its words that none holds, of each question.
        `taken`: without the passages that hold this text."""
        left = [self._left(text) for text in taken] or [np.ones(len(self.texts), bool)] * len(
            questions
        )
        pairs = list(zip(questions, left, strict=True))
        return (
            np.array([self._evidence(question)[kept].max() for question, kept in pairs]),
            np.array([self._unknown(question, kept) for question, kept in pairs]),
        )

    def _left(self, answer: str) -> np.ndarray:
        return np.array([answer not in text for text in self.folded])

    def _evidence(self, question: str) -> np.ndarray:
        return self.vectors @ self.embedder.embed([question])[0] + self.words.weigh(question)

    def _unknown(self, question: str, kept: np.ndarray) -> float:
        from retrieval.query.keywords import weigh
        from retrieval.terms import term_counts

        terms = tuple(term_counts(question))
        there = [self.terms[n] for n in np.flatnonzero(kept)]
        frequencies = {term: sum(term in held for held in there) for term in terms}
        words = weigh(terms, frequencies, len(there))
        return 1 - sum(words.shares(is_damped=True).values())


def _sets() -> dict[str, tuple[Sequence[str], Sequence[str]]]:
    known, fresh = golden_questions(), golden_questions(HERE / "diagnosis_answered.txt")
    lines = [line.split(" | ", 1) for line in _lines("unanswerable_questions.txt")]
    return {
        "answered": ([question for question, _ in known], ()),
        "far": ([question for kind, question in lines if kind == "far"], ()),
        "near": ([question for kind, question in lines if kind == "near"], ()),
        "taken away": _split(known),
        "answered, fresh": ([question for question, _ in fresh], ()),
        "same, fresh": (list(_lines("diagnosis_gaps.txt")), ()),
        "taken away, fresh": _split(fresh),
    }


def _split(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [question for question, _ in pairs], [answer for _, answer in pairs]


def _lines(name: str) -> Iterable[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


if __name__ == "__main__":
    main()
