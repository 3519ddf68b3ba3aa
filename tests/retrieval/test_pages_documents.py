from __future__ import annotations

import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retrieval.models import Document, Source
from tenants.context import tenant_context
from tests.retrieval.documents import upload
from tests.retrieval.pages import make_document, sign_in

TABLE = {"HX-Request": "true", "HX-Target": "documents"}


@pytest.fixture
def owner(tenant):
    return sign_in(tenant)


@pytest.fixture
def member(tenant):
    return sign_in(tenant, role="member", levels=["public"])


@pytest.fixture
def url(tenant):
    return f"/t/{tenant.slug}/documents/"


def file(name="notes.md", content=b"# Notes\n\nWater boils."):
    return SimpleUploadedFile(name, content)


def documents(tenant):
    with tenant_context(tenant):
        return list(Document.objects.order_by("path"))


def test_empty_list_leads_an_owner_to_upload(owner, url):
    page = owner.get(url).content.decode()
    assert "No documents yet" in page
    assert 'type="file"' in page


def test_member_sees_no_upload_and_no_delete(member, url, tenant):
    make_document(tenant)
    page = member.get(url).content.decode()
    assert "guide.md" in page
    assert 'type="file"' not in page
    assert "/delete/" not in page


def test_member_sees_documents_of_their_levels_only(member, owner, url, tenant):
    make_document(tenant, "public.md")
    make_document(tenant, "secret.md", access_level="internal")
    assert "secret.md" in owner.get(url).content.decode()
    page = member.get(url).content.decode()
    assert "public.md" in page
    assert "secret.md" not in page
    assert "secret.md" not in member.get(f"{url}?access_level=internal").content.decode()


def test_stranger_finds_nothing(url):
    assert sign_in().get(url).status_code == 404


def test_filters_come_from_the_address_and_bad_ones_are_left_out(owner, url, tenant):
    make_document(tenant, "tea.md")
    make_document(tenant, "coffee.md", status="failed", error_message="It is corrupt.")
    assert "tea.md" not in owner.get(f"{url}?status=failed").content.decode()
    assert "coffee.md" not in owner.get(f"{url}?q=TEA").content.decode()
    assert "tea.md" in owner.get(f"{url}?status=nonsense&sort=nonsense&page=99").content.decode()
    assert "No document matches" in owner.get(f"{url}?q=milk").content.decode()


def test_list_can_be_sorted(owner, url, tenant):
    for path, size in (("a.md", 3), ("b.md", 1)):
        make_document(tenant, path, size_bytes=size)
    page = owner.get(f"{url}?sort=size").content.decode()
    assert page.index("b.md") < page.index("a.md")
    assert 'aria-sort="ascending"' in page


def test_tabs_count_by_status_within_the_other_filters(owner, url, tenant):
    make_document(tenant, "a.md", status="failed", error_code="corrupt")
    make_document(tenant, "b.md", access_level="internal")
    page = " ".join(owner.get(f"{url}?access_level=public").content.decode().split())
    assert 'All <span class="muted">1</span>' in page
    assert 'Failed <span class="muted">1</span>' in page
    assert 'Ready <span class="muted">0</span>' in page
    found = owner.get(f"{url}?q=b.md").content.decode()
    assert "1–1 of 1 documents" in found


def test_reason_of_a_failure_is_said_in_words_and_filtered_by(owner, url, tenant):
    make_document(tenant, "locked.pdf", status="failed", error_code="encrypted")
    make_document(tenant, "broken.pdf", status="failed", error_code="corrupt", chunk_count=4)
    page = owner.get(url).content.decode()
    assert "Protected by a password" in page
    assert "Earlier text stays searchable" in page
    filtered = owner.get(f"{url}?error_code=encrypted").content.decode()
    assert "locked.pdf" in filtered
    assert "broken.pdf" not in filtered


def test_list_is_filtered_by_source_and_names_it(owner, url, tenant):
    document = make_document(tenant, "handbook.md")
    make_document(tenant, "mine.md")
    with tenant_context(tenant):
        source = Source.objects.create(name="The shelf", kind="folder")
        Document.objects.filter(pk=document.pk).update(source=source)
    page = owner.get(f"{url}?source={source.pk}").content.decode()
    assert "handbook.md" in page
    assert "mine.md" not in page
    assert "The shelf" in page


def test_source_out_of_sight_is_not_named(url, tenant):
    document = make_document(tenant, "moved.md")
    with tenant_context(tenant):
        source = Source.objects.create(name="Salaries", kind="folder", access_level="internal")
        Document.objects.filter(pk=document.pk).update(source=source)
    admin = sign_in(tenant, role="admin", levels=["public"])
    for address in (url, f"{url}{document.pk}/"):
        page = admin.get(address).content.decode()
        assert "moved.md" in page
        assert "Salaries" not in page


@pytest.mark.parametrize("sort", ["-updated", "updated", "path", "-path", "-size", "chunks"])
def test_pages_hold_each_document_once(owner, url, tenant, sort):
    for number in range(60):
        make_document(tenant, f"{number:02}.md", size_bytes=number % 3, chunk_count=number % 2)
    found = []
    for page in (1, 2, 3):
        content = owner.get(f"{url}?sort={sort}&page={page}").content.decode()
        found += re.findall(r">(\d\d\.md)</a>", content)
    assert len(found) == len(set(found)) == 60
    if sort in {"path", "-path"}:
        assert found == sorted(found, reverse=sort == "-path")
    assert "1–50 of 60" in owner.get(f"{url}?size=50").content.decode()
    words = owner.get(f"{url}?q=.md&page=3&sort={sort}").content.decode()
    assert "51–60 of 60" in words
    assert "51–60 of 60" in owner.get(f"{url}?q=.md&page=99&sort={sort}").content.decode()


def test_waiting_documents_are_counted_above_the_list(owner, url, tenant):
    for name in ("a.md", "b.md"):
        upload(tenant, path=name)
    assert "2 documents wait" in owner.get(url).content.decode()
    page = owner.get(f"{url}{documents(tenant)[1].pk}/").content.decode()
    assert "in line" in page


def test_failed_document_shows_its_error_and_a_retry(owner, url, tenant):
    make_document(tenant, status="failed", error_message="It is corrupt.")
    page = owner.get(url).content.decode()
    assert "It is corrupt." in page
    assert "/retry/" in page


def test_list_is_polled_only_while_something_is_unfinished(owner, url, tenant):
    document = make_document(tenant, status="indexing", stage="embedding")
    part = owner.get(url, headers=TABLE).content.decode()
    assert "every 1.5s" in part
    assert "embedding" in part
    assert "<html" not in part
    with tenant_context(tenant):
        Document.objects.filter(pk=document.pk).update(status="ready")
    assert "every 1.5s" not in owner.get(url, headers=TABLE).content.decode()


def test_list_adds_no_queries_as_rows_grow(owner, url, tenant):
    make_document(tenant, "0.md")
    with CaptureQueriesContext(connection) as few:
        owner.get(url)
    for number in range(1, 8):
        make_document(tenant, f"{number}.md")
    with CaptureQueriesContext(connection) as many:
        owner.get(url)
    assert len(many) == len(few)


def test_form_without_script_stores_every_file(owner, url, tenant):
    answer = owner.post(
        f"{url}upload/",
        {"file": [file("a.md"), file("b.md", b"Tea.")], "access_level": "internal"},
        follow=True,
    )
    assert [row.path for row in documents(tenant)] == ["a.md", "b.md"]
    assert {row.access_level for row in documents(tenant)} == {"internal"}
    assert "a.md was uploaded" in answer.content.decode()


def test_upload_answers_a_script_with_json(owner, url, tenant):
    answer = owner.post(
        f"{url}upload/",
        {"file": file(), "access_level": "public", "path": "folder/notes.md"},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 202
    assert json.loads(answer.content)["documents"][0]["path"] == "folder/notes.md"
    assert documents(tenant)[0].status == "queued"


def test_upload_names_what_is_wrong_with_a_file(owner, url, tenant):
    answer = owner.post(
        f"{url}upload/",
        {"file": file(), "access_level": "public", "path": "../notes.md"},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 400
    assert "path" in json.loads(answer.content)["error"]["message"]
    assert documents(tenant) == []


def test_bad_file_does_not_take_the_good_one_down(owner, url, tenant, settings):
    settings.MAX_UPLOAD_BYTES = 100
    answer = owner.post(
        f"{url}upload/",
        {"file": [file("bad.md", b"x" * 200), file("good.md")], "access_level": "public"},
        follow=True,
    )
    assert [row.path for row in documents(tenant)] == ["good.md"]
    assert "larger than the limit" in answer.content.decode()


def test_upload_without_a_file_says_so(owner, url):
    answer = owner.post(f"{url}upload/", {"access_level": "public"}, follow=True)
    assert "No file was chosen" in answer.content.decode()
    script = owner.post(f"{url}upload/", {}, headers={"Accept": "application/json"})
    assert script.status_code == 400


def test_admin_cannot_upload_above_their_own_levels(tenant, url):
    admin = sign_in(tenant, role="admin", levels=["public"])
    answer = admin.post(
        f"{url}upload/",
        {"file": file(), "access_level": "internal"},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 403
    assert documents(tenant) == []


def test_member_can_neither_upload_retry_nor_delete(member, url, tenant):
    document = make_document(tenant, status="failed")
    for action in ("upload/", f"{document.id}/retry/", f"{document.id}/delete/"):
        assert member.post(url + action, {"file": file()}).status_code == 403
    assert len(documents(tenant)) == 1


def test_delete_asks_first_and_says_how_much_goes(owner, url, tenant):
    document = make_document(tenant, chunks=3)
    question = owner.get(
        f"{url}{document.id}/delete/", headers={"HX-Request": "true", "HX-Target": "dialog"}
    )
    assert "3 passages" in question.content.decode()
    assert len(documents(tenant)) == 1
    answer = owner.post(f"{url}{document.id}/delete/", follow=True)
    assert "was deleted" in answer.content.decode()
    assert documents(tenant) == []


def test_retry_queues_a_failed_document_again(owner, url, tenant):
    document = make_document(tenant, status="failed", error_message="It timed out.")
    answer = owner.post(f"{url}{document.id}/retry/", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert "documents-changed" in answer["HX-Trigger"]
    assert documents(tenant)[0].status == "queued"


def test_retry_of_a_document_that_did_not_fail_says_so(owner, url, tenant):
    document = make_document(tenant)
    answer = owner.post(f"{url}{document.id}/retry/", follow=True)
    assert "Only a failed document" in answer.content.decode()
