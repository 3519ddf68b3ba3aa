"""Several documents of a tenant at once: each has its own fate."""

from __future__ import annotations

import os
from datetime import timedelta

import numpy as np
import pytest
from django.db.models.functions import Now

from retrieval.connectors.folder import FolderConnector
from retrieval.indexing import index, pace, queue
from retrieval.models import Chunk, Document, Source, SyncError, SyncRun, TermFrequency
from retrieval.services.documents import delete_document
from retrieval.terms import TOTAL_TERM
from tenants.context import tenant_context
from tenants.models import DocumentJob, Tenant
from tests.retrieval.documents import claim_batch, index_all, upload


@pytest.fixture
def run(tenant, settings, tmp_path) -> SyncRun:
    """Of a folder of three files, whose documents wait."""
    settings.SYNC_ROOTS = [str(tmp_path)]
    config = FolderConnector.clean_config({"url": str(tmp_path)}, tenant_slug=tenant.slug)
    for name in ("a.md", "b.md", "c.md"):
        write(tmp_path / name, f"# {name}\n\nThe gate of {name} opens at nine.".encode())
    with tenant_context(tenant):
        source = Source.objects.create(
            name="Folder", kind="folder", config=config, access_level="public"
        )
        run = SyncRun.objects.create(source=source, trigger="manual", status="running")
        for name in ("a.md", "b.md", "c.md"):
            wait(tenant, add(run, name))
    remember_speed(tenant)
    return run


def write(path, content: bytes) -> None:
    """Long ago: what was written this moment may be changing still."""
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def add(run: SyncRun, name: str) -> Document:
    return Document.objects.create(
        source_id=run.source_id, external_id=name, path=name, access_level="public",
        content_hash="", size_bytes=0, sync_run=run, sync_action="add",
    )  # fmt: skip


def wait(tenant, document: Document, action: str = "add") -> None:
    Document.objects.filter(pk=document.pk).update(status="queued", sync_action=action)
    queue.enqueue(tenant, document.pk)


def remember_speed(tenant) -> None:
    """So that the next batch is as large as can be."""
    for count in (32, 64):
        pace.note(tenant, count, count / 1000)


def states(tenant) -> dict[str, str]:
    with tenant_context(tenant):
        return dict(Document.objects.values_list("path", "status"))


def index_all_again(tenant, action: str = "update") -> None:
    with tenant_context(tenant):
        for document in Document.objects.all():
            wait(tenant, document, action)
    remember_speed(tenant)
    index_all(tenant)


def test_documents_of_a_folder_are_stored_together(tenant, run):
    claims = claim_batch(tenant)
    assert len(claims) == 3
    revision = Tenant.objects.get(pk=tenant.pk).corpus_revision
    indexed = index.index_batch(claims)
    assert indexed.run_ids == {run.pk}
    assert set(states(tenant).values()) == {"ready"}
    assert Tenant.objects.get(pk=tenant.pk).corpus_revision == revision + 1
    with tenant_context(tenant):
        document = Document.objects.get(path="a.md")
        run.refresh_from_db()
    assert document.content_hash == document.indexed_hash != ""
    assert document.fingerprint
    assert (document.size_bytes, document.indexed_generation) == (39, 1)
    assert (run.embedded_chunks, run.reused_chunks) == (3, 0)
    assert run.embedded_tokens > 0


def test_one_failure_is_its_own(tenant, run, tmp_path):
    (tmp_path / "b.md").unlink()
    write(tmp_path / "c.md", b"\x00\x01\x02" * 50)
    index_all(tenant)
    assert states(tenant) == {"a.md": "ready", "c.md": "failed"}
    with tenant_context(tenant):
        error = SyncError.objects.get(sync_run=run)
        failed = Document.objects.get(path="c.md")
    assert (error.path, error.code) == ("c.md", failed.error_code)
    assert failed.fingerprint
    assert not DocumentJob.objects.filter(tenant=tenant).exists()


def test_an_item_that_vanishes_keeps_its_old_text(tenant, run, tmp_path):
    index_all(tenant)
    (tmp_path / "b.md").unlink()
    index_all_again(tenant)
    assert set(states(tenant).values()) == {"ready"}
    with tenant_context(tenant):
        assert Chunk.objects.filter(document__path="b.md").exists()
        assert not SyncError.objects.exists()


def test_same_content_is_not_stored_again(tenant, run):
    index_all(tenant)
    with tenant_context(tenant):
        before = list(Chunk.objects.order_by("id").values_list("id", "text"))
    revision = Tenant.objects.get(pk=tenant.pk).corpus_revision
    index_all_again(tenant)
    with tenant_context(tenant):
        assert list(Chunk.objects.order_by("id").values_list("id", "text")) == before
        actions = set(Document.objects.values_list("sync_action", "status"))
        assert not Document.kept.exists()
    assert actions == {("unchanged", "ready")}
    assert Tenant.objects.get(pk=tenant.pk).corpus_revision == revision


def test_a_replaced_version_is_kept_and_passages_that_stay_keep_their_rows(tenant, run, tmp_path):
    first = "# One\n\n" + "The gate opens at nine. " * 60 + "\n\n# Two\n\n" + "Tea is green. " * 60
    (tmp_path / "a.md").write_text(first)
    index_all(tenant)
    with tenant_context(tenant):
        before = dict(Chunk.objects.filter(document__path="a.md").values_list("content_hash", "id"))
    (tmp_path / "a.md").write_text("# Zero\n\nA new beginning.\n\n" + first)
    index_all_again(tenant)
    with tenant_context(tenant):
        after = dict(Chunk.objects.filter(document__path="a.md").values_list("content_hash", "id"))
        kept = Document.kept.get()
        run.refresh_from_db()
    same = before.keys() & after.keys()
    assert same
    assert {before[key] for key in same} == {after[key] for key in same}
    assert (kept.path, kept.removed_by, len(kept.kept_chunks)) == ("a.md", run.pk, len(before))
    assert run.reused_chunks >= len(same)


def test_a_copy_is_not_read_again(tenant, run, tmp_path):
    index_all(tenant)
    with tenant_context(tenant):
        Document.objects.filter(path="a.md").update(markdown="# Known\n\nText of the first.")
        (tmp_path / "copy.md").write_bytes((tmp_path / "a.md").read_bytes())
        wait(tenant, add(run, "copy.md"))
    index_all(tenant)
    with tenant_context(tenant):
        assert Document.objects.get(path="copy.md").markdown == "# Known\n\nText of the first."


def test_a_lost_lease_costs_the_others_nothing(tenant, run):
    claims = claim_batch(tenant)
    lost = claims[1]
    batch = index.Batch(claims)
    batch.begin()
    DocumentJob.objects.filter(pk=lost.job_id).update(lease_holder="quick/1")
    batch.finish()
    assert sorted(states(tenant).values()) == ["queued", "ready", "ready"]
    assert DocumentJob.objects.get(tenant=tenant).document_id == lost.document_id


def test_what_is_enqueued_again_meanwhile_is_indexed_again(tenant, run):
    claims = claim_batch(tenant)
    batch = index.Batch(claims)
    batch.begin()
    with tenant_context(tenant):
        wait(tenant, Document.objects.get(pk=claims[0].document_id))
    batch.finish()
    assert sorted(states(tenant).values()) == ["queued", "ready", "ready"]
    index_all(tenant)
    assert set(states(tenant).values()) == {"ready"}


def test_a_document_deleted_meanwhile_stays_deleted(tenant):
    documents = [upload(tenant, path=f"{n}.md", content=b"Gate %d" % n) for n in range(3)]
    remember_speed(tenant)
    batch = index.Batch(claim_batch(tenant))
    batch.begin()
    delete_document(tenant=tenant, document_id=documents[0].pk)
    batch.finish()
    assert states(tenant) == {"1.md": "ready", "2.md": "ready"}


def test_after_a_dead_worker_each_document_goes_alone(tenant, run):
    assert len(claim_batch(tenant)) == 3
    DocumentJob.objects.filter(tenant=tenant).update(lease_until=Now() - timedelta(seconds=1))
    claims = claim_batch(tenant)
    assert [claim.attempts for claim in claims] == [2]
    index.index_batch(claims)
    assert sorted(states(tenant).values()) == ["queued", "queued", "ready"]
    index_all(tenant)
    assert set(states(tenant).values()) == {"ready"}


def test_another_generation_is_made_from_the_text_that_is_here(tenant, run, tmp_path):
    index_all(tenant)
    (tmp_path / "a.md").write_text("Something else, which nobody asked for.")
    Tenant.objects.filter(pk=tenant.pk).update(
        next_generation=2,
        next_embedding_model=tenant.embedding_model,
        next_embedding_dimension=tenant.embedding_dimension,
        next_chunk_tokens=100,
    )
    with tenant_context(tenant):
        ids = list(Document.objects.values_list("pk", flat=True))
        before = dict(Chunk.objects.values_list("content_hash", "id"))
        queue.enqueue_many(tenant, ids, priority=queue.ANEW)
    index_all(tenant)
    with tenant_context(tenant):
        assert set(Document.objects.values_list("indexed_generation", "status")) == {(2, "ready")}
        old = Chunk.objects.filter(generation=1)
        assert dict(old.values_list("content_hash", "id")) == before
        new = Chunk.objects.filter(generation=2)
        assert set(new.values_list("content_hash", flat=True)) == set(before)
        vectors = {tuple(np.round(list(row.embedding), 4)) for row in Chunk.objects.all()}
        totals = TermFrequency.objects.filter(term=TOTAL_TERM)
        assert dict(totals.values_list("generation", "chunks")) == {1: 3, 2: 3}
    assert len(vectors) == 3


def test_documents_of_a_failed_batch_transaction_are_stored_one_by_one(tenant):
    for number in range(3):
        upload(tenant, path=f"{number}.md", content=b"Gate number %d opens." % number)
    remember_speed(tenant)
    batch = index.Batch(claim_batch(tenant))
    batch.begin()
    broken = batch._works[1]
    find = batch._embed

    def spoil(works):
        find(works)
        broken.text = type(broken.text)("no \x00 in a text", "", "text/markdown", None)

    batch._embed = spoil
    batch.finish()
    assert sorted(states(tenant).values()) == ["queued", "ready", "ready"]
