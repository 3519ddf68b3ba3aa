from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import AsyncClient

from retrieval.models import Chunk
from retrieval.rendering import render_passage
from tenants.context import tenant_context
from tests.retrieval.pages import make_chunk, make_document, sign_in


@pytest.fixture
def owner(tenant):
    return sign_in(tenant)


def address(tenant, document, rest=""):
    return f"/t/{tenant.slug}/documents/{document.id}/{rest}"


def test_passages_stand_in_order_with_their_anchors(owner, tenant):
    document = make_document(tenant, chunks=3)
    page = owner.get(address(tenant, document)).content.decode()
    assert page.index("Passage number 0.") < page.index("Passage number 2.")
    with tenant_context(tenant):
        for chunk in Chunk.objects.filter(document=document):
            assert f'id="chunk-{chunk.id}"' in page


def test_cited_passage_is_marked_on_the_page_that_holds_it(owner, tenant):
    document = make_document(tenant, chunks=25)
    with tenant_context(tenant):
        chunk = Chunk.objects.get(document=document, ordinal=23)
    page = owner.get(address(tenant, document, f"?chunk={chunk.id}")).content.decode()
    assert "Page 2 of 2" in page
    assert page.count("is-marked") == 1
    assert "Passage number 0." not in page


@pytest.mark.parametrize("chunk", ["999999999", "9" * 40, "-1", "abc", "٣"])
def test_passage_that_is_gone_is_said_to_be_gone(owner, tenant, chunk):
    document = make_document(tenant, chunks=1)
    page = owner.get(address(tenant, document, f"?chunk={chunk}")).content.decode()
    assert "no longer here" in page
    assert "Passage number 0." in page


def test_passage_of_another_document_is_not_shown(owner, tenant):
    document, other = make_document(tenant, "a.md"), make_document(tenant, "b.md", chunks=1)
    with tenant_context(tenant):
        chunk = Chunk.objects.get(document=other)
    page = owner.get(address(tenant, document, f"?chunk={chunk.id}")).content.decode()
    assert "Passage number" not in page


def test_failed_document_says_why_and_what_to_do(owner, tenant):
    document = make_document(
        tenant, status="failed", error_code="encrypted", error_message="It is encrypted."
    )
    page = owner.get(address(tenant, document)).content.decode()
    assert "It is encrypted." in page
    assert "protected by a password" in page
    assert "Remove the password. Then upload it again under the same name." in page


def test_document_above_the_levels_does_not_exist(tenant):
    document = make_document(tenant, access_level="internal", storage_key="x")
    member = sign_in(tenant, role="member", levels=["public"])
    assert member.get(address(tenant, document)).status_code == 404
    assert member.get(address(tenant, document, "file/")).status_code == 404


def test_document_of_another_tenant_does_not_exist(tenant, owner):
    assert sign_in().get(address(tenant, make_document(tenant))).status_code == 404


def test_text_of_a_document_is_never_active(owner, tenant):
    document = make_document(tenant)
    with tenant_context(tenant):
        make_chunk(document, 0, "<script>alert(1)</script> [go](https://example.com) ![x](//a/b)")
    page = owner.get(address(tenant, document)).content.decode()
    assert "<script>alert" not in page
    assert "https://example.com" not in page
    assert "//a/b" not in page


def test_markdown_is_shown_below_the_headings_of_the_page():
    html = render_passage("# Title\n\n| a | b |\n|---|---|\n| 1 | `<b>` |\n\n- one\n- two")
    assert "<h4>Title</h4>" in html
    assert "<code>&lt;b&gt;</code>" in html
    assert html.count("<li>") == 2
    assert "<h1" not in html


def test_original_is_only_ever_a_download(owner, tenant):
    key = default_storage.save("page.html", ContentFile(b"<script>alert(1)</script>"))
    document = make_document(tenant, "folder/page.html", storage_key=key)
    answer = owner.get(address(tenant, document, "file/"))
    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
    assert answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.fixture
def long_document(tenant):
    key = default_storage.save("long.txt", ContentFile(b"a" * 600_000))
    return make_document(tenant, "long.txt", storage_key=key)


async def test_original_is_sent_in_pieces_under_asgi(owner, tenant, long_document):
    client = AsyncClient()
    client.cookies = owner.cookies
    answer = await client.get(address(tenant, long_document, "file/"))
    pieces = [piece async for piece in answer.streaming_content]
    assert len(pieces) == 3
    assert sum(map(len, pieces)) == 600_000


def test_original_that_is_gone_is_not_found(owner, tenant):
    document = make_document(tenant, storage_key="never-stored")
    assert owner.get(address(tenant, document, "file/")).status_code == 404
