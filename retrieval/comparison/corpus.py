"""What the compared tenants hold: real documents, cut and embedded once, then copied as rows."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from itertools import count, islice
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

import numpy as np

from ragadmin.installation import PROJECT_DIR
from retrieval.indexing.chunking import split
from retrieval.indexing.difference import hash_passage
from retrieval.providers.embedders import get_embedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from retrieval.providers.base import Embedder
    from retrieval.types import Passage

# It costs nothing, and is the same on every installation.
EMBEDDING_MODEL = "local:all-MiniLM-L6-v2"
CHUNK_TOKENS = 220
EMBED_BATCH = 32
DISTINCT_QUESTIONS = 100
SMALL_PASSAGES = 3
# How far the vectors of a repeated document are turned, so that no two are the same.
TURN = 0.3
SENTENCE = re.compile(r"[A-Z][^.!?\n|`*#]{30,120}")


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    path: str
    markdown: str
    passages: list[Passage]
    vectors: np.ndarray

    @property
    def stored_vectors(self) -> dict[str, np.ndarray]:
        """As retrieval.indexing.store takes them."""
        keys = map(hash_passage, self.passages)
        return dict(zip(keys, self.vectors, strict=True))

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.markdown.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Corpus:
    """`documents` for the tenant that is measured, `small` for those that are only there."""

    documents: list[PreparedDocument]
    small: list[PreparedDocument]
    questions: list[str]
    question_vectors: np.ndarray

    @property
    def chunk_count(self) -> int:
        return sum(len(document.passages) for document in self.documents)


def prepare_corpus(documents: int, say: Callable[[str], None]) -> Corpus:
    """More documents than there are on the machine are the same ones again, their vectors turned."""
    embedder = get_embedder(EMBEDDING_MODEL)
    texts = list(islice(_real_texts(), documents))
    prepared = []
    for number, (path, text) in enumerate(texts, start=1):
        say(f"embedding document {number} of {len(texts)}")
        prepared.append(_prepare(path, text, embedder))
    every = list(islice(_repeated(prepared), documents))
    questions = _questions(prepared)
    return Corpus(every, [_shorten(prepared[0])], questions, embedder.embed(questions))


def _real_texts() -> Iterator[tuple[str, str]]:
    """This project's manual, and the topics that every Python carries for its `help()`."""
    for page in sorted((PROJECT_DIR / "docs").glob("*.md")):
        yield f"docs/{page.name}", page.read_text()
    for name, text in sorted(topics.items()):
        if text.strip():
            yield f"python/{name}.md", text.strip() + "\n"


def _prepare(path: str, text: str, embedder: Embedder) -> PreparedDocument:
    passages = split(text, embedder, CHUNK_TOKENS)
    texts = [passage.embedded_text for passage in passages]
    batches = [texts[start : start + EMBED_BATCH] for start in range(0, len(texts), EMBED_BATCH)]
    return PreparedDocument(
        path, text, passages, np.concatenate(list(map(embedder.embed, batches)))
    )


def _repeated(documents: Sequence[PreparedDocument]) -> Iterator[PreparedDocument]:
    yield from documents
    rng = np.random.default_rng(1)
    for number in count(2):
        for document in documents:
            turned = document.vectors + TURN * _directions(rng, document.vectors.shape)
            turned /= np.linalg.norm(turned, axis=1, keepdims=True)
            yield replace(document, path=f"copy-{number}/{document.path}", vectors=turned)


def _directions(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    found = rng.normal(size=shape).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _shorten(document: PreparedDocument) -> PreparedDocument:
    kept = document.passages[:SMALL_PASSAGES]
    end = kept[-1].end_char
    return PreparedDocument(
        document.path, document.markdown[:end], kept, document.vectors[: len(kept)]
    )


def _questions(documents: Sequence[PreparedDocument]) -> list[str]:
    """Sentences of the documents, spread evenly over them."""
    found = [
        match[0].strip()
        for document in documents
        for passage in document.passages
        if (match := SENTENCE.search(passage.text))
    ]
    step = max(1, len(found) // DISTINCT_QUESTIONS)
    return list(dict.fromkeys(found[::step]))[:DISTINCT_QUESTIONS]
