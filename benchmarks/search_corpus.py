"""Many chunks for measuring search: sentences of real passages mixed, in tenants of their own.

The passages are this project's manuals, the Python language reference and the standard library's
docstrings. A mixed chunk's vector is its passages' vectors mixed by their share of the words, which
is about what a model that averages over tokens would say, with a little noise.
"""

from __future__ import annotations

import ast
import math
import random
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import manuals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODEL = "local:all-MiniLM-L6-v2"
PASSAGE_WORDS = (80, 200)
MOST_PASSAGES = 3_000
CHUNKS_A_DOCUMENT = 50
BATCH_DOCUMENTS = 20
NOISE = 0.1
SHORTEST_BODY = 30
FOREIGN_FOLDERS = frozenset({"site-packages", "dist-packages", "test", "tests", "idlelib"})


@dataclass(frozen=True, slots=True)
class Material:
    sentences: list[list[str]]
    vectors: np.ndarray
    questions: list[str]
    question_vectors: np.ndarray


def material(questions: int) -> Material:
    """Questions are first lines of docstrings, and passages the rest of others."""
    from retrieval.providers.embedders import get_embedder

    chosen = random.Random(7)
    heads, bodies = docstrings()
    texts = [*_paragraphs(manuals_and_topics()), *bodies]
    texts = chosen.sample(texts, min(MOST_PASSAGES, len(texts)))
    asked = chosen.sample(heads, min(questions, len(heads)))
    embedder = get_embedder(MODEL)
    return Material(
        [_sentences(text) for text in texts], embedder.embed(texts), asked, embedder.embed(asked)
    )


def manuals_and_topics() -> Iterator[str]:
    yield from (text.decode() for text in manuals().values())
    yield from topics.values()


def docstrings() -> tuple[list[str], list[str]]:
    """First lines, and what follows others of them, of the standard library's documented names."""
    heads: dict[str, None] = {}
    bodies: dict[str, None] = {}
    for head, rest in _parsed():
        if 4 <= len(head.split()) <= 20:
            heads[head] = None
        bodies.update(dict.fromkeys(_paragraphs([rest])))
    return list(heads), list(bodies)


def docstring_pairs() -> list[tuple[str, str]]:
    """A first line each, and the passage that follows it."""
    found: dict[str, str] = {}
    for head, rest in _parsed():
        words = rest.split()
        if 5 <= len(head.split()) <= 20 and len(words) >= SHORTEST_BODY:
            found.setdefault(head, " ".join(words[: PASSAGE_WORDS[1]]))
    return list(found.items())


def _parsed() -> Iterator[tuple[str, str]]:
    for path in _library_files():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                head, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
                yield " ".join(head.split()), rest


def _library_files() -> list[Path]:
    folder = Path(sysconfig.get_path("stdlib"))
    inner = [path for path in folder.glob("*/*.py") if path.parent.name not in FOREIGN_FOLDERS]
    return sorted([*folder.glob("*.py"), *inner])


def _paragraphs(texts: Any) -> list[str]:
    """Paragraphs put together until they have a passage's length."""
    found = []
    for text in texts:
        words: list[str] = []
        for paragraph in re.split(r"\n\s*\n", text):
            words += paragraph.split()
            if len(words) >= PASSAGE_WORDS[0]:
                found.append(" ".join(words[: PASSAGE_WORDS[1]]))
                words = []
    return found


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.:;?!])\s+", text) if part]


def fill(tenant: Any, made: Material, count: int, seed: int = 1) -> None:
    """Stores `count` mixed chunks as indexing does."""
    chosen, noise = random.Random(seed), np.random.default_rng(seed)
    step = CHUNKS_A_DOCUMENT * BATCH_DOCUMENTS
    for start in range(0, count, step):
        mixed = [mix(made, chosen, noise) for _ in range(min(step, count - start))]
        texts, vectors = zip(*mixed, strict=True)
        store(tenant, list(texts), np.stack(vectors), folder=f"mixed/{seed}/{start:08}")


def store(tenant: Any, texts: Sequence[str], vectors: np.ndarray, folder: str = "set") -> None:
    """A chunk for each text, in order of their documents' paths. A quarter is internal."""
    from retrieval.indexing.generations import current_generation
    from retrieval.indexing.store import replace_chunks
    from retrieval.models import Document, Source
    from tenants.context import tenant_context

    with tenant_context(tenant):
        source, _ = Source.objects.get_or_create(name="Uploads", kind="upload")
        documents = [
            Document(
                source=source,
                path=f"{folder}/{number:06}.md",
                external_id=f"{folder}/{number:06}.md",
                access_level="internal" if number % 4 == 0 else "public",
                status="ready",
                content_hash="",
                size_bytes=1,
            )
            for number in range(math.ceil(len(texts) / CHUNKS_A_DOCUMENT))
        ]
        Document.objects.bulk_create(documents)
        for start in range(0, len(documents), BATCH_DOCUMENTS):
            batch = documents[start : start + BATCH_DOCUMENTS]
            first = start * CHUNKS_A_DOCUMENT
            stored, known = _as_chunks(batch, texts[first:], vectors[first:])
            replace_chunks(tenant, current_generation(tenant), stored, known)


def _as_chunks(
    documents: Sequence[Any], texts: Sequence[str], vectors: np.ndarray
) -> tuple[list[Any], dict[str, np.ndarray]]:
    from retrieval.indexing.difference import DocumentText, hash_passage
    from retrieval.types import Passage

    stored, known = [], {}
    for number, document in enumerate(documents):
        passages = []
        start = number * CHUNKS_A_DOCUMENT
        for ordinal, text in enumerate(texts[start : start + CHUNKS_A_DOCUMENT]):
            passage = Passage(ordinal, text, "", 0, len(text), len(text) // 4)
            passages.append(passage)
            known[hash_passage(passage)] = vectors[start + ordinal]
        stored.append(DocumentText(document.pk, document.access_level, passages))
    return stored, known


def mix(
    made: Material, chosen: random.Random, noise: np.random.Generator
) -> tuple[str, np.ndarray]:
    """Sentences of two or three passages, one after another."""
    parts, vector = [], np.zeros(made.vectors.shape[1], np.float32)
    for number in chosen.sample(range(len(made.sentences)), chosen.choice((2, 2, 3))):
        sentences = made.sentences[number]
        take = max(1, round(len(sentences) * chosen.uniform(0.3, 0.9)))
        taken = chosen.sample(sentences, take)
        parts += taken
        vector += sum(len(text) for text in taken) * made.vectors[number]
    vector /= np.linalg.norm(vector)
    vector += NOISE * noise.normal(size=vector.shape).astype(np.float32) / np.sqrt(vector.size)
    return " ".join(parts), vector / np.linalg.norm(vector)
