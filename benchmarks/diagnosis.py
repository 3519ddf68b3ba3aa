"""From which evidence on a passage is taken to hold the answer, where a thumbs-down is diagnosed.

The demo's documents and the golden questions about them: how many of the passages that answer reach
each bar, and of questions that no document answers, about the same subjects or others, how many do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import report, temporary_folder, use_settings
from benchmarks.compression import Words, all_passages, folded, golden_questions

if TYPE_CHECKING:
    from collections.abc import Callable

UNANSWERABLE = Path(__file__).with_name("unanswerable_questions.txt")
LEAST_SIMILARITY = 0.2
BARS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


def main() -> None:
    with temporary_folder() as folder:
        use_settings(folder)
        import django

        django.setup()
        measure()


def measure() -> None:
    from retrieval.providers.embedders import get_embedder
    from retrieval.query.search import evidence_needed

    embedder = get_embedder("local:all-MiniLM-L6-v2")
    passages = all_passages()
    texts = [passage.embedded_text for _, passage in passages]
    vectors, words = embedder.embed(texts), Words(texts)

    def evidence(question: str) -> np.ndarray:
        return vectors @ embedder.embed([question])[0] + words.weigh(question)

    answering = np.array(
        [
            max(evidence(question)[[answer in folded(p.text) for _, p in passages]])
            for question, answer in golden_questions()
        ]
    )
    others = _unanswerable(evidence)
    needed = LEAST_SIMILARITY + evidence_needed(len(passages))
    report(
        "diagnosis",
        [
            {
                "above what an answer needs": bar,
                "passages that answer": float((answering >= needed + bar).mean()),
                **{
                    f"unanswerable, {kind}": float((found >= needed + bar).mean())
                    for kind, found in others.items()
                },
            }
            for bar in BARS
        ],
        unit="shares that reach the bar",
        questions=len(answering),
        passages=len(passages),
    )


def _unanswerable(evidence: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    """The best evidence that any passage has, by how far off the questions are."""
    lines = UNANSWERABLE.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" | ", 1) for line in lines if " | " in line and line[0] != "#"]
    return {
        wanted: np.array([evidence(question).max() for kind, question in pairs if kind == wanted])
        for wanted in ("near", "far")
    }


if __name__ == "__main__":
    main()
