"""What compression saves of the passages, and whether the sentence that answers survives it.

The demo's documents are split as documents are, and each golden question gets the five passages that
are best by cosine and words together. A question counts where its answer was among them.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import percentile, report, temporary_folder, use_settings

if TYPE_CHECKING:
    from retrieval.types import Hit, Passage

QUESTIONS = Path(__file__).with_name("golden_questions.txt")
TOP_K = 5
CHUNK_TOKENS = 220
ROUNDS = 5


def main() -> None:
    with temporary_folder() as folder:
        use_settings(folder)
        import django

        django.setup()
        measure()


def golden_questions(path: Path = QUESTIONS) -> list[tuple[str, str]]:
    """Each question with a piece of the sentence that answers it, its words alone."""
    lines = path.read_text().splitlines()
    pairs = [line.rsplit(" | ", 1) for line in lines if line and not line.startswith("#")]
    return [(question.strip(), folded(answer)) for question, answer in pairs]


def folded(text: str) -> str:
    """Words alone: a table's row may say what a sentence says."""
    return " ".join(re.findall(r"\w+", text.lower()))


def measure() -> None:
    from retrieval.query.compress import compress

    compress("warm up", [])
    rows: list[dict[str, Any]] = []
    took: list[float] = []
    lost: list[str] = []
    for question, answer, hits in asked():
        took.append(min(timed(question, hits) for _ in range(ROUNDS)))
        shortened, saved = compress(question, hits)
        before = sum(len(hit.text) for hit in hits)
        survives = any(answer in folded(hit.shown or hit.text) for hit in shortened)
        if not survives:
            lost.append(question)
        rows.append({"before": before, "saved": 4 * saved, "survives": survives})
    report(
        "compression",
        [
            {
                "questions": len(rows),
                "answers kept": sum(row["survives"] for row in rows) / len(rows),
                "text saved": sum(row["saved"] for row in rows)
                / sum(row["before"] for row in rows),
                "cpu p50 ms": percentile(took, 0.5),
                "cpu p95 ms": percentile(took, 0.95),
            }
        ],
        lost=lost,
    )


def timed(question: str, hits: list[Hit]) -> float:
    """Milliseconds of CPU."""
    from retrieval.query.compress import compress

    start = time.process_time()
    compress(question, hits)
    return (time.process_time() - start) * 1000


def asked() -> list[tuple[str, str, list[Hit]]]:
    """The questions whose answer is among the passages that they find."""
    from retrieval.providers.embedders import get_embedder

    embedder = get_embedder("local:all-MiniLM-L6-v2")
    passages = all_passages()
    vectors = embedder.embed([passage.embedded_text for _, passage in passages])
    words = Words([passage.embedded_text for _, passage in passages])
    found: list[tuple[str, str, list[Hit]]] = []
    for question, answer in golden_questions():
        if not any(answer in folded(passage.text) for _, passage in passages):
            raise ValueError(f"No document has the answer {answer!r} any more.")
        scores = vectors @ embedder.embed([question])[0] + words.weigh(question)
        best = np.argsort(-scores)[:TOP_K]
        chosen = [passages[n] for n in best.tolist()]
        hits = [hit_of(path, passage, n) for n, (path, passage) in enumerate(chosen, start=1)]
        if any(answer in folded(hit.text) for hit in hits):
            found.append((question, answer, hits))
    return found


def all_passages() -> list[tuple[str, Passage]]:
    from retrieval.demo import handbook_files, python_reference_files
    from retrieval.indexing.chunking import split
    from retrieval.providers.embedders import get_embedder

    embedder = get_embedder("local:all-MiniLM-L6-v2")
    return [
        (file.path, passage)
        for file in (*handbook_files(), *python_reference_files())
        for passage in split(file.content.decode(), embedder, CHUNK_TOKENS)
    ]


class Words:
    """BM25's part of the score, as the search has it: see retrieval.query.search_statement."""

    def __init__(self, texts: list[str]) -> None:
        from retrieval.terms import saturated_frequencies, term_counts, typical_length

        length = typical_length(CHUNK_TOKENS)
        self.weights = [saturated_frequencies(term_counts(text), length) for text in texts]
        self.holders = Counter(term for weights in self.weights for term in weights)

    def weigh(self, question: str) -> np.ndarray:
        from retrieval.query.search_statement import WORDING_WEIGHT
        from retrieval.terms import QUESTION_TERMS, term_counts

        idf = {
            term: np.log(1 + (len(self.weights) - n + 0.5) / (n + 0.5))
            for term in term_counts(question).keys() - QUESTION_TERMS
            for n in [self.holders.get(term, 0)]
        }
        whole = sum(idf.values()) or 1.0
        held = [sum(idf[t] * w[t] for t in idf.keys() & w.keys()) for w in self.weights]
        return WORDING_WEIGHT * np.array(held) / whole


def hit_of(path: str, passage: Passage, rank: int) -> Hit:
    from retrieval.types import Hit

    return Hit(
        chunk_id=rank,
        document_id=path,
        path=path,
        heading_path=passage.heading_path,
        text=passage.text,
        score=1 / rank,
        similarity=0.5,
        access_level="public",
        rank=rank,
    )


if __name__ == "__main__":
    main()
