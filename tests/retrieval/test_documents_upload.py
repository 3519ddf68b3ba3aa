from __future__ import annotations

import threading
import uuid
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files import storage
from django.core.files.base import ContentFile
from django.db import connection

from ragadmin.errors import Conflict, InvalidRequest, PermissionDenied, TooLarge
from retrieval.indexing.index import index_next_batch
from retrieval.models import Chunk, Document, Source
from retrieval.services.documents import delete_document, retry_document, store_upload
from tenants.context import tenant_context
from tenants.models import DocumentJob, Tenant
from tests.retrieval.documents import index_all, read, send, upload


def test_upload_is_queued_with_its_file_kept(tenant):
    document = upload(tenant, content=b"# Guide\n\nWater boils at 100 degrees.")
    stored = read(tenant, document)
    assert (stored.status, stored.error_code) == ("queued", "")
    assert stored.storage_key.startswith(f"tenants/{tenant.id}/")
    assert content_of(stored).startswith(b"# Guide")
    assert DocumentJob.objects.filter(tenant=tenant, document_id=document.pk).count() == 1


def test_upload_becomes_ready_and_searchable(tenant):
    document = upload(tenant, content=b"# Guide\n\nWater boils at 100 degrees.")
    index_all(tenant)
    stored = read(tenant, document)
    assert (stored.status, stored.stage, stored.error_code) == ("ready", "", "")
    assert stored.chunk_count == 1
    assert stored.token_count > 5
    assert stored.indexed_hash == stored.content_hash
    assert stored.indexed_at is not None
    assert "Water boils" in stored.markdown
    with tenant_context(tenant):
        assert Chunk.objects.filter(document=document).count() == 1
    assert not DocumentJob.objects.filter(tenant=tenant).exists()


def test_unchanged_upload_changes_nothing(tenant):
    document = upload(tenant)
    index_all(tenant)
    before = read(tenant, document)
    again = upload(tenant)
    after = read(tenant, document)
    assert again.pk == document.pk
    assert (after.status, after.storage_key) == ("ready", before.storage_key)
    assert revision(tenant) == 1
    assert files_of(tenant) == [before.storage_key]
    assert not DocumentJob.objects.filter(tenant=tenant).exists()


def test_changed_upload_keeps_old_chunks_until_the_new_are_stored(tenant):
    document = upload(tenant, content=b"The gate opens at nine.")
    index_all(tenant)
    upload(tenant, content=b"The gate opens at ten.")
    assert read(tenant, document).status == "queued"
    assert texts(tenant) == ["The gate opens at nine."]
    index_all(tenant)
    assert texts(tenant) == ["The gate opens at ten."]
    assert files_of(tenant) == [read(tenant, document).storage_key]
    assert revision(tenant) == 2


def test_upload_says_what_it_meant(tenant):
    first = send(tenant, path="guide.md")
    assert (first.result, first.document.status) == ("new", "queued")
    index_all(tenant)
    assert send(tenant, path="guide.md").result == "unchanged"
    assert send(tenant, path="guide.md", content=b"Other words.").result == "replaced"
    index_all(tenant)
    moved = send(tenant, path="guide.md", content=b"Other words.", access_level="internal")
    assert (moved.result, moved.document.status) == ("replaced", "ready")


def test_uploads_go_where_they_are_sent(tenant):
    with tenant_context(tenant):
        shelf = Source.objects.create(name="Shelf", kind="upload")
        folder = Source.objects.create(name="Folder", kind="folder")
    assert send(tenant, path="a.md", source_id=shelf.pk).document.source_id == shelf.pk
    default = send(tenant, path="a.md").document
    assert default.source_id not in {shelf.pk, folder.pk}
    with tenant_context(tenant):
        assert Source.objects.get(pk=default.source_id).name == "Uploads"
        assert Document.objects.filter(path="a.md").count() == 2
    for wrong in (folder.pk, uuid.uuid4()):
        with pytest.raises(InvalidRequest) as caught:
            send(tenant, path="a.md", source_id=wrong)
        assert caught.value.code == "bad_source"
    assert len(files_of(tenant)) == 2


def test_uploads_find_a_place_when_their_name_is_taken(tenant):
    with tenant_context(tenant):
        Source.objects.create(name="Uploads", kind="folder")
    first, second = (send(tenant, path=name).document for name in ("a.md", "b.md"))
    assert first.source_id == second.source_id
    with tenant_context(tenant):
        assert Source.objects.get(pk=first.source_id).kind == "upload"


def test_failed_document_takes_the_same_file_again(tenant):
    document = upload(tenant, path="broken.pdf", content=b"%PDF-1.7 nothing follows")
    index_all(tenant)
    assert read(tenant, document).status == "failed"
    upload(tenant, path="broken.pdf", content=b"%PDF-1.7 nothing follows")
    assert read(tenant, document).status == "queued"


def test_same_path_uploaded_at_once_gives_one_document(tenant):
    contents = [f"Version {number} of the text.".encode() for number in range(4)]

    def work(content: bytes) -> None:
        upload(tenant, content=content)
        connection.close()

    threads = [threading.Thread(target=work, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index_all(tenant)
    with tenant_context(tenant):
        document = Document.objects.get()
        assert Source.objects.count() == 1
    assert document.status == "ready"
    assert texts(tenant) == [content_of(document).decode()]
    assert files_of(tenant) == [document.storage_key]


def test_new_access_level_of_the_same_text_counts_at_once(tenant):
    document = upload(tenant, access_level="public")
    index_all(tenant)
    upload(tenant, access_level="internal")
    assert read(tenant, document).status == "ready"
    assert levels(tenant) == {"internal"}
    assert revision(tenant) == 2


def test_old_text_does_not_move_to_the_access_level_of_the_new(tenant):
    document = upload(tenant, access_level="internal", content=b"The secret is 42.")
    index_all(tenant)
    upload(tenant, access_level="public", content=b"There is no secret.")
    assert texts(tenant) == []
    assert read(tenant, document).markdown == ""
    index_all(tenant)
    assert (texts(tenant), levels(tenant)) == (["There is no secret."], {"public"})


def test_access_level_of_the_tenant_is_needed(tenant):
    with pytest.raises(InvalidRequest, match="There is no access level 'secret'"):
        upload(tenant, access_level="secret")


def test_access_level_of_the_caller_is_needed(tenant):
    with pytest.raises(PermissionDenied):
        upload(tenant, access_level="internal", allowed_levels=["public"])


def test_document_out_of_sight_is_not_overwritten(tenant):
    document = upload(tenant, access_level="internal")
    with pytest.raises(Conflict, match="choose another path"):
        upload(tenant, content=b"Mine now.", allowed_levels=["public"])
    assert read(tenant, document).access_level == "internal"
    assert files_of(tenant) == [read(tenant, document).storage_key]


@pytest.mark.parametrize(
    "path",
    [
        "", "   ", "/etc/passwd", "../up.md", "a/../b.md", "a//b.md", "a/./b.md", "folder/",
        "nul\0.md", "line\nbreak.md", "C:/windows.md", "a\\b.md", "x" * 1001, "txt.\u202eexe",
        "\ud800.md", "👩" * 501,
    ],
)  # fmt: skip
def test_bad_path_is_refused(tenant, path):
    with pytest.raises(InvalidRequest) as caught:
        upload(tenant, path=path)
    assert caught.value.code == "bad_path"
    assert files_of(tenant) == []


@pytest.mark.parametrize(
    "path",
    ["with blanks.md", "it's \"quoted\".md", "Übersicht/größe.md", "日本語.md", "👩‍🚀.md", "a;b&c%20.md", "x" * 1000],
)  # fmt: skip
def test_unusual_path_is_kept(tenant, path):
    document = upload(tenant, path=path)
    assert read(tenant, document).path == path


def test_two_unicode_forms_of_a_path_are_one_document(tenant):
    assert upload(tenant, path="cafe\u0301.md").pk == upload(tenant, path="caf\u00e9.md").pk


def test_empty_file_is_refused(tenant):
    with pytest.raises(InvalidRequest) as caught:
        upload(tenant, content=b"")
    assert caught.value.code == "empty"
    assert files_of(tenant) == []


def test_too_large_file_is_refused_and_leaves_nothing(tenant, settings):
    settings.MAX_UPLOAD_BYTES = 2**20
    for file in (ContentFile(b"x" * (2**20 + 1)), BytesIO(b"x" * (2**20 + 1))):
        with pytest.raises(TooLarge, match="limit of 1 MB"):
            store_upload(
                tenant=tenant, file=file, path="big.txt", access_level="public", uploaded_by="me"
            )
    assert files_of(tenant) == []


def test_deleted_document_leaves_nothing(tenant):
    document = upload(tenant)
    upload(tenant, path="other.md", content=b"Another text.")
    index_all(tenant)
    delete_document(tenant=tenant, document_id=document.pk)
    with tenant_context(tenant):
        assert list(Document.objects.values_list("path", flat=True)) == ["other.md"]
    assert texts(tenant) == ["Another text."]
    assert len(files_of(tenant)) == 1
    assert revision(tenant) == 3


def test_document_deleted_while_it_waits_is_not_indexed(tenant):
    document = upload(tenant)
    delete_document(tenant=tenant, document_id=document.pk)
    assert not DocumentJob.objects.filter(tenant=tenant).exists()
    index_next_batch("worker")
    assert texts(tenant) == []


def test_only_a_failed_document_is_tried_again(tenant):
    document = upload(tenant, path="broken.pdf", content=b"%PDF-1.7 nothing follows")
    with pytest.raises(Conflict):
        retry_document(tenant=tenant, document_id=document.pk)
    index_all(tenant)
    assert retry_document(tenant=tenant, document_id=document.pk).status == "queued"
    index_all(tenant)
    assert read(tenant, document).status == "failed"


def revision(tenant) -> int:
    return Tenant.objects.get(pk=tenant.pk).corpus_revision


def texts(tenant) -> list[str]:
    with tenant_context(tenant):
        return list(Chunk.objects.order_by("document_id", "ordinal").values_list("text", flat=True))


def content_of(document) -> bytes:
    with storage.default_storage.open(document.storage_key) as file:
        return file.read()


def levels(tenant) -> set[str]:
    with tenant_context(tenant):
        return set(Chunk.objects.values_list("access_level", flat=True))


def files_of(tenant) -> list[str]:
    folder = Path(storage.default_storage.path(f"tenants/{tenant.id}"))
    return sorted(f"tenants/{tenant.id}/{path.name}" for path in folder.glob("*"))
