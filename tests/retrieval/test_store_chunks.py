from __future__ import annotations

import random
import threading
from collections import Counter

import numpy as np
import pytest
from django.db import Error, connection

from retrieval.indexing import store
from retrieval.indexing.difference import DocumentText, hash_passage
from retrieval.indexing.generations import current_generation, next_generation
from retrieval.models import Chunk, Document, Source, TermFrequency
from retrieval.terms import TOTAL_TERM, term_counts
from retrieval.types import Passage
from tenants.context import tenant_context
from tenants.models import Tenant

VECTOR = np.full(384, 0.05, np.float32)


def make_document(tenant, path: str) -> Document:
    with tenant_context(tenant):
        source, _ = Source.objects.get_or_create(name="Uploads", defaults={"kind": "upload"})
        return Document.objects.create(
            source=source,
            external_id=path,
            path=path,
            access_level="public",
            content_hash="",
            size_bytes=1,
        )


def passages(*texts: str) -> list[Passage]:
    return [Passage(n, text, "", 0, len(text), 3) for n, text in enumerate(texts)]


def store_texts(tenant, document: Document, *texts: str) -> None:
    found = passages(*texts)
    vectors = {hash_passage(passage): VECTOR for passage in found}
    with tenant_context(tenant):
        Document.objects.select_for_update().get(pk=document.pk)
        replace(tenant, document, found, vectors)


def replace(tenant, document: Document, found: list[Passage], vectors, generation=None) -> None:
    text = DocumentText(document.pk, document.access_level, found)
    store.replace_chunks(tenant, generation or current_generation(tenant), [text], vectors)
    store.raise_revision(tenant)


def frequencies(tenant) -> dict[int, int]:
    with tenant_context(tenant):
        return dict(TermFrequency.objects.values_list("term", "chunks"))


def expected_frequencies(tenant) -> dict[int, int]:
    with tenant_context(tenant):
        texts = list(Chunk.objects.values_list("text", flat=True))
    counts = Counter(term for text in texts for term in term_counts(text))
    return dict(counts) | ({TOTAL_TERM: len(texts)} if texts else {})


def test_frequencies_follow_every_change(tenant):
    first, second = make_document(tenant, "a"), make_document(tenant, "b")
    store_texts(tenant, first, "red apple", "green apple")
    store_texts(tenant, second, "green pear")
    assert frequencies(tenant) == expected_frequencies(tenant)
    assert frequencies(tenant)[TOTAL_TERM] == 3
    store_texts(tenant, first, "red cherry")
    assert frequencies(tenant) == expected_frequencies(tenant)
    with tenant_context(tenant):
        store.remove_chunks(tenant, first.pk)
        store.remove_chunks(tenant, second.pk)
    assert frequencies(tenant) == {}


def test_each_swap_raises_the_revision_once(tenant):
    document = make_document(tenant, "a")
    store_texts(tenant, document, "one")
    store_texts(tenant, document, "two", "three")
    assert Tenant.objects.get(pk=tenant.pk).corpus_revision == 2


def test_failed_swap_leaves_the_old_text(tenant):
    document = make_document(tenant, "a")
    store_texts(tenant, document, "old text")
    try:
        with tenant_context(tenant):
            replace(tenant, document, passages("new text"), {})
    except store.VectorGone:
        pass
    with tenant_context(tenant):
        assert [chunk.text for chunk in Chunk.objects.all()] == ["old text"]
    assert frequencies(tenant) == expected_frequencies(tenant)


def test_reader_sees_the_old_text_or_the_new(tenant):
    document = make_document(tenant, "a")
    store_texts(tenant, document, *[f"old {n}" for n in range(20)])
    seen: set[tuple[int, frozenset[str]]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with tenant_context(tenant):
                texts = Chunk.objects.values_list("text", flat=True)
                kinds = [text.split()[0] for text in texts]
            seen.add((len(kinds), frozenset(kinds)))
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(10):
        word, count = ("new", 30) if turn % 2 == 0 else ("old", 20)
        store_texts(tenant, document, *[f"{word} {n}" for n in range(count)])
    done.set()
    reader.join()
    assert seen <= {(20, frozenset({"old"})), (30, frozenset({"new"}))}


def test_many_writers_at_once_keep_the_frequencies_right(tenant):
    """Common words in random order: without one order of locks this would deadlock."""
    made = [make_document(tenant, str(n)) for n in range(4)]
    words = [f"word{n}" for n in range(200)]
    failures: list[Error] = []

    def write(document: Document, seed: int) -> None:
        chooser = random.Random(seed)
        try:
            for _ in range(6):
                store_texts(tenant, document, *[" ".join(chooser.sample(words, 60)) for _ in "abc"])
        except Error as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=write, args=each) for each in zip(made, range(4), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert frequencies(tenant) == expected_frequencies(tenant)


def test_vectors_of_another_model_are_not_taken(tenant):
    document = make_document(tenant, "a")
    store_texts(tenant, document, "one")
    key = hash_passage(passages("one")[0])
    current = current_generation(tenant)
    tenant.next_generation = 2
    tenant.next_embedding_model = "openai:other"
    tenant.next_embedding_dimension, tenant.next_chunk_tokens = 384, 100
    with tenant_context(tenant):
        assert store.find_known(tenant, current, [key]) == {key}
        other = next_generation(tenant)
        assert store.find_known(tenant, other, [key]) == set()
        with pytest.raises(store.VectorGone):
            replace(tenant, document, passages("one"), {}, other)
        tenant.next_embedding_model = tenant.embedding_model
        smaller = next_generation(tenant)
        assert store.find_known(tenant, smaller, [key]) == {key}
        replace(tenant, document, passages("one"), {}, smaller)
    with tenant_context(tenant):
        assert list(Chunk.objects.order_by("generation").values_list("generation", flat=True)) == [
            1,
            2,
        ]
        totals = TermFrequency.objects.filter(term=TOTAL_TERM).order_by("generation")
        assert list(totals.values_list("generation", "chunks")) == [(1, 1), (2, 1)]
