"""What a sync deleted or replaced is out of the search, and comes back as it was."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from retrieval.indexing import kept, queue, store
from retrieval.indexing.difference import DocumentText, hash_passage
from retrieval.indexing.generations import current_generation
from retrieval.models import Chunk, Document, Source, SyncRun, TermFrequency
from retrieval.types import Passage
from tenants.context import tenant_context
from tenants.models import DocumentJob, Tenant

NAMES = ("id", "ordinal", "text", "heading_path", "start_char", "end_char", "content_hash",
         "token_count", "access_level", "terms")  # fmt: skip


@pytest.fixture
def run(tenant) -> SyncRun:
    with tenant_context(tenant):
        source = Source.objects.create(name="Handbook", kind="folder")
        return SyncRun.objects.create(source=source, trigger="manual")


def make(tenant, run, name: str, *texts: str, level: str = "public") -> Document:
    with tenant_context(tenant):
        document = Document.objects.create(
            source_id=run.source_id, external_id=name, path=name, access_level=level,
            status="ready", content_hash=name, indexed_hash=name, size_bytes=1, markdown=name,
            indexed_generation=1, chunk_count=len(texts), sync_run=run, sync_action="add",
        )  # fmt: skip
        put(tenant, document, *texts)
    return document


def put(tenant, document, *texts: str) -> None:
    passages = [Passage(n, text, "Top", n, n + len(text), 3) for n, text in enumerate(texts)]
    rng = np.random.default_rng(7)
    vectors = {hash_passage(each): rng.normal(size=384).astype(np.float32) for each in passages}
    text = DocumentText(document.pk, document.access_level, passages)
    store.replace_chunks(tenant, current_generation(tenant), [text], vectors)
    store.raise_revision(tenant)


def chunks(tenant):
    with tenant_context(tenant):
        rows = Chunk.objects.order_by("id")
        return [
            (*(getattr(row, name) for name in NAMES), row.document_id, list(row.embedding),
             row.term_weights.to_text())
            for row in rows
        ]  # fmt: skip


def frequencies(tenant):
    with tenant_context(tenant):
        return dict(TermFrequency.objects.values_list("term", "chunks"))


def test_deleted_documents_come_back_as_they_were(tenant, run):
    documents = [make(tenant, run, f"{n}.md", f"text {n}", "common words") for n in range(3)]
    stays = make(tenant, run, "stays.md", "common words stay")
    before, counted = chunks(tenant), frequencies(tenant)
    ids = [document.pk for document in documents]
    with tenant_context(tenant):
        queue.enqueue_many(tenant, ids)
        queue.remove_many(tenant, ids)
        assert kept.keep_and_remove(tenant, ids, run.pk) == 3
        assert list(Document.objects.values_list("path", flat=True)) == ["stays.md"]
        assert set(Chunk.objects.values_list("document_id", flat=True)) == {stays.pk}
    assert len(frequencies(tenant)) < len(counted)
    revision = Tenant.objects.get(pk=tenant.pk).corpus_revision
    with tenant_context(tenant):
        assert kept.bring_back(tenant, run.pk) == 3
        assert Document.objects.filter(status="ready").count() == 4
        assert not Document.kept.exists()
    assert chunks(tenant) == before
    assert frequencies(tenant) == counted
    assert Tenant.objects.get(pk=tenant.pk).corpus_revision > revision
    assert not DocumentJob.objects.filter(tenant=tenant).exists()


def test_replaced_document_gets_its_content_back_and_keeps_its_id(tenant, run):
    document = make(tenant, run, "a.md", "first", "second", "third")
    before, counted = chunks(tenant), frequencies(tenant)
    with tenant_context(tenant):
        row = Document.objects.select_for_update().get()
        kept.keep_versions(tenant, [row.pk], run.pk)
        put(tenant, row, "zeroth", "first", "third changed")
        Document.objects.update(content_hash="new", indexed_hash="new", markdown="new")
    assert chunks(tenant) != before
    with tenant_context(tenant):
        assert Document.kept.get().pk != document.pk
        assert kept.bring_back(tenant, run.pk) == 1
        back = Document.objects.get()
    assert (back.pk, back.content_hash, back.markdown) == (document.pk, "a.md", "a.md")
    assert chunks(tenant) == before
    assert frequencies(tenant) == counted


def test_what_comes_back_has_the_access_level_of_today(tenant, run):
    document = make(tenant, run, "a.md", "first")
    with tenant_context(tenant):
        kept.keep_versions(tenant, [document.pk], run.pk)
        Document.objects.update(access_level="internal")
        kept.bring_back(tenant, run.pk)
        assert Chunk.objects.get().access_level == "internal"


def test_chunks_of_an_old_generation_are_made_anew_from_the_text(tenant, run):
    document = make(tenant, run, "a.md", "first")
    with tenant_context(tenant):
        kept.keep_and_remove(tenant, [document.pk], run.pk)
    Tenant.objects.filter(pk=tenant.pk).update(generation=2)
    with tenant_context(tenant):
        kept.bring_back(tenant, run.pk)
        assert not Chunk.objects.exists()
        assert Document.objects.get().status == "ready"
    assert DocumentJob.objects.get(tenant=tenant).document_id == document.pk


def test_only_old_versions_of_the_source_are_purged(tenant, run):
    document = make(tenant, run, "a.md", "first")
    other = make(tenant, run, "b.md", "second")
    now = timezone.now()
    with tenant_context(tenant):
        kept.keep_and_remove(tenant, [document.pk, other.pk], run.pk)
        Document.kept.filter(pk=document.pk).update(removed_at=now - timedelta(days=9))
        assert kept.purge_kept(tenant, uuid.uuid4(), now) == 0
        assert kept.purge_kept(tenant, run.source_id, now - timedelta(days=7)) == 1
        assert Document.kept.get().pk == other.pk
