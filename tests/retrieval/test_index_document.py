from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files import storage
from django.db import connection, connections
from django.db.models.functions import Now

from retrieval.indexing import index, queue
from retrieval.indexing.index import index_document
from retrieval.models import Chunk, Document
from retrieval.services.documents import delete_document
from tenants.context import tenant_context
from tenants.models import DocumentJob, Tenant
from tests.files import documents, hostile
from tests.retrieval.documents import claim, claim_or_none, index_all, read, upload

UNREADABLE = [
    ("empty.txt", lambda: b" \n \n", "empty"),
    ("program.exe", lambda: b"MZ\x90\x00" + bytes(range(256)) * 8, "unsupported"),
    ("locked.pdf", lambda: documents.encrypted_pdf("secret"), "encrypted"),
    ("broken.pdf", lambda: b"%PDF-1.7 nothing follows", "corrupt"),
    ("scan.pdf", documents.scanned_pdf, "no_text"),
    ("bomb.docx", lambda: hostile.word_bomb(600), "too_large"),
]


@pytest.mark.parametrize(
    ("path", "make", "code"), UNREADABLE, ids=[code for _, _, code in UNREADABLE]
)
def test_unreadable_file_fails_with_its_reason(tenant, path, make, code):
    document = upload(tenant, path=path, content=make())
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.error_code, stored.stage) == ("failed", code, "")
    assert stored.error_message
    assert not DocumentJob.objects.filter(tenant=tenant).exists()


def test_failed_new_version_keeps_the_old_text_searchable(tenant):
    document = upload(tenant, content=b"The gate opens at nine.")
    index_all(tenant)
    upload(tenant, content=b"\x00\x01\x02" * 50)
    index_all(tenant)
    assert read(tenant, document).status == "failed"
    assert texts(tenant) == ["The gate opens at nine."]


def test_lost_file_fails_with_its_reason(tenant):
    document = upload(tenant)
    storage.default_storage.delete(document.storage_key)
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.error_code) == ("failed", "file_missing")


def test_file_in_a_remote_storage_is_read_through_a_copy(tenant, settings):
    remote = {"BACKEND": "tests.retrieval.documents.RemoteStorage"}
    settings.STORAGES = settings.STORAGES | {"default": remote}
    document = upload(tenant)
    index_all(tenant)
    assert read(tenant, document).status == "ready"


def test_page_count_and_title_come_from_the_file(tenant):
    document = upload(tenant, path="leave.pdf", content=documents.pdf(3, "Leave handbook"))
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.page_count, stored.title, stored.media_type) == (
        3,
        "Leave handbook",
        "application/pdf",
    )


def test_chunks_stand_where_they_say(tenant):
    document = upload(tenant, path="leave.docx", content=documents.word())
    index_all(tenant)
    markdown = read(tenant, document).markdown
    with tenant_context(tenant):
        for chunk in Chunk.objects.all():
            assert markdown[chunk.start_char : chunk.end_char] == chunk.text
            assert chunk.terms == sorted(set(chunk.terms))
            assert len(chunk.terms) == len(chunk.term_weights.indices())


def test_known_text_keeps_its_vector(tenant):
    upload(tenant, path="a.md", content=b"The gate opens at nine.")
    index_all(tenant)
    with tenant_context(tenant), connection.cursor() as cursor:
        # A vector that no model gives shows where the copy came from.
        cursor.execute(
            "UPDATE retrieval_chunk SET embedding = array_fill(0.5, ARRAY[384])::halfvec"
        )
    upload(tenant, path="b.md", content=b"The gate opens at nine.")
    index_all(tenant)
    with tenant_context(tenant):
        vectors = [list(chunk.embedding) for chunk in Chunk.objects.all()]
    assert len(vectors) == 2
    assert vectors[0] == vectors[1] == [0.5] * 384


def test_upload_during_indexing_is_indexed_next(tenant):
    document = upload(tenant, content=b"The gate opens at nine.")
    late = begin(tenant)
    upload(tenant, content=b"The gate opens at ten.")
    assert claim_or_none(tenant) is None
    late.finish()
    assert read(tenant, document).status == "queued"
    assert texts(tenant) == []
    index_all(tenant)
    assert texts(tenant) == ["The gate opens at ten."]


def test_document_deleted_during_indexing_stays_deleted(tenant):
    document = upload(tenant)
    late = begin(tenant)
    delete_document(tenant=tenant, document_id=document.pk)
    late.finish()
    with tenant_context(tenant):
        assert not Document.objects.exists()
    assert texts(tenant) == []


def test_worker_that_lost_its_lease_does_not_store(tenant):
    document = upload(tenant)
    slow = claim(tenant, "slow")
    end_leases(tenant)
    quick = claim(tenant, "quick")
    assert quick.attempts == 2
    index_document(slow)
    assert read(tenant, document).status == "indexing"
    assert texts(tenant) == []
    index_document(quick)
    assert read(tenant, document).status == "ready"


def test_failure_that_may_pass_is_tried_again_and_in_the_end_failed(tenant, settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"
    Tenant.objects.filter(pk=tenant.pk).update(embedding_model="openai:refused")
    document = upload(tenant)
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.stage, stored.error_code) == (
        "queued",
        "waiting to retry",
        "model_unreachable",
    )
    assert claim_or_none(tenant) is None
    jobs = DocumentJob.objects.filter(tenant=tenant)
    assert jobs.filter(available_at__gt=Now() + timedelta(seconds=5)).count() == 1
    jobs.update(attempts=queue.MAX_ATTEMPTS - 1, available_at=Now())
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.error_code) == ("failed", "model_unreachable")
    assert not jobs.exists()


def test_document_that_kills_workers_is_parked(tenant):
    document = upload(tenant)
    for _ in range(queue.MAX_ATTEMPTS):
        claim(tenant)
        end_leases(tenant)
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.error_code) == ("failed", "interrupted")
    assert "stopped the worker 5 times" in stored.error_message


def test_unforeseen_error_leaves_nothing_stuck(tenant):
    alter_chunks(tenant, "ADD CONSTRAINT refuse_all CHECK (false) NOT VALID")
    document = upload(tenant)
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.error_code) == ("queued", "internal")
    assert texts(tenant) == []
    alter_chunks(tenant, "DROP CONSTRAINT refuse_all")
    DocumentJob.objects.filter(tenant=tenant).update(available_at=Now())
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.error_code) == ("ready", "")


def alter_chunks(tenant, change: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{tenant.schema_name}".retrieval_chunk {change}')
    connections["owner"].close()


def begin(tenant) -> index.Batch:
    """What a worker does that reads the document before it changes."""
    late = index.Batch([claim(tenant)])
    late.begin()
    return late


def end_leases(tenant) -> None:
    DocumentJob.objects.filter(tenant=tenant).update(lease_until=Now() - timedelta(seconds=1))


def texts(tenant) -> list[str]:
    with tenant_context(tenant):
        return list(Chunk.objects.order_by("ordinal").values_list("text", flat=True))
