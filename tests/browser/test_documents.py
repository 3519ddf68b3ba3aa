"""Uploading folders and many files, and changing many documents at once, as a person does it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from retrieval.models import Document, Source
from tenants.context import tenant_context
from tenants.models import DocumentJob
from tests.browser.asking import drop
from tests.browser.conftest import NARROW
from tests.retrieval.pages import make_document

TEXT = "# Kettles\n\nDescale the kettle every three months."


@pytest.fixture
def documents(signed_in, tenant):
    """The page. What is uploaded waits: there is no worker, and none finds it later."""
    signed_in.goto(f"/t/{tenant.slug}/documents/")
    yield signed_in
    DocumentJob.objects.filter(tenant=tenant).delete()


def row(page, name):
    return page.locator(".upload-row", has_text=name)


def paths(tenant):
    with tenant_context(tenant):
        return sorted(Document.objects.values_list("path", flat=True))


def levels(tenant):
    with tenant_context(tenant):
        return dict(Document.objects.values_list("path", "access_level"))


def test_folder_keeps_the_paths_of_its_files(documents, tenant, tmp_path):
    for name in ("handbook/start.md", "handbook/deep/er/end.md", "handbook/.git/config"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TEXT + name)
    documents.locator("#upload-folder").set_input_files(tmp_path / "handbook")
    expect(documents.locator("#upload-title")).to_have_text("Done: 2 files")
    assert paths(tenant) == ["handbook/deep/er/end.md", "handbook/start.md"]


def test_each_file_says_what_became_of_it(documents, tenant):
    drop(documents, ("same.md", TEXT), ("changed.md", TEXT))
    expect(documents.locator("#upload-title")).to_have_text("Done: 2 files")
    documents.get_by_role("button", name="Clear").click()
    expect(documents.locator("#upload-panel")).to_be_hidden()
    drop(
        documents,
        ("same.md", TEXT),
        ("changed.md", TEXT + " Rinse."),
        ("new.md", "# New\n\nText."),
        ("photo.webp", "x"),
        ("empty.md", ""),
    )
    expect(documents.locator("#upload-title")).to_have_text("Done: 5 files")
    expect(documents.locator("#upload-counts")).to_have_text(
        "1 new, 1 replaced, 1 unchanged, 2 not sent"
    )
    expect(row(documents, "same.md")).to_contain_text("Unchanged")
    expect(row(documents, "changed.md")).to_contain_text("Replaced")
    expect(row(documents, "new.md")).to_contain_text("New")
    expect(row(documents, "photo.webp")).to_contain_text(".webp have no text")
    expect(row(documents, "empty.md")).to_contain_text("The file is empty")
    expect(documents.locator("#upload-status")).to_contain_text("Upload done")


def test_failed_uploads_are_sent_again(documents, tenant, problems):
    address = re.compile(r"/documents/upload/$")
    documents.route(address, lambda route: route.abort())
    drop(documents, ("one.md", TEXT), ("two.md", TEXT + " Two."))
    expect(documents.locator("#upload-counts")).to_have_text("2 failed")
    expect(row(documents, "one.md")).to_contain_text("could not be reached")
    documents.unroute(address)
    documents.get_by_role("button", name="Retry failed").first.click()
    expect(documents.locator("#upload-counts")).to_have_text("2 new")
    assert paths(tenant) == ["one.md", "two.md"]
    problems.clear()


def test_upload_can_be_cancelled_and_warns_before_it_is_left(documents, tenant):
    documents.route(re.compile(r"/documents/upload/$"), lambda route: None)
    drop(documents, *[(f"{number}.md", TEXT) for number in range(30)])
    expect(documents.locator("#upload-title")).to_have_text("Uploading: 0 of 30")
    expect(documents.locator(".upload-row")).to_have_count(3)
    asked = []
    documents.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    documents.get_by_role("button", name="Cancel").first.click()
    expect(documents.locator("#upload-counts")).to_have_text("30 cancelled")
    assert paths(tenant) == []
    drop(documents, ("more.md", TEXT))
    expect(documents.locator("#upload-title")).to_contain_text("Uploading")
    documents.locator("h1").click()
    documents.reload()
    assert asked == ["beforeunload"]


def test_more_files_than_are_listed_arrive(documents, tenant):
    drop(documents, *[(f"{number}.md", f"# Note {number}\n\nText.") for number in range(120)])
    expect(documents.locator("#upload-title")).to_have_text("Done: 120 files", timeout=90_000)
    expect(documents.locator("#upload-counts")).to_have_text("120 new")
    expect(documents.locator(".upload-row")).to_have_count(100)
    assert len(paths(tenant)) == 120


def test_selected_documents_are_deleted_after_a_question(documents, tenant):
    for name in ("a.md", "b.md", "c.md"):
        make_document(tenant, name, chunks=2)
    documents.reload()
    delete = documents.locator("#bulk-delete")
    expect(delete).to_be_disabled()
    documents.get_by_label("Select a.md").check()
    documents.get_by_label("Select b.md").focus()
    documents.keyboard.press("Space")
    expect(documents.locator("#bulk-count")).to_have_text("2 selected")
    delete.click()
    dialog = documents.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete 2 documents?")
    expect(dialog).to_contain_text("4 passages")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert len(paths(tenant)) == 3
    delete.click()
    dialog.get_by_role("button", name="Delete 2 documents").click()
    expect(documents.locator("tbody tr")).to_have_count(1)
    expect(documents.locator(".toast")).to_contain_text("2 documents were deleted")
    assert paths(tenant) == ["c.md"]


def test_all_that_match_move_and_what_is_from_a_source_is_not_deleted(documents, tenant):
    for number in range(30):
        make_document(tenant, f"tea/{number}.md")
    make_document(tenant, "coffee.md")
    with tenant_context(tenant):
        source = Source.objects.create(name="Handbook", kind="folder", access_level="public")
        Document.objects.filter(path="tea/1.md").update(source=source)
    documents.goto(f"/t/{tenant.slug}/documents/?q=tea/")
    documents.locator("#pick-all").check()
    expect(documents.locator("#bulk-count")).to_have_text("All 30 selected")
    documents.locator("#bulk-level").select_option("internal")
    documents.locator("#bulk-access").click()
    dialog = documents.get_by_role("dialog")
    expect(dialog).to_contain_text("Make 30 documents internal?")
    dialog.get_by_role("button", name="Make them internal").click()
    expect(documents.locator(".toast")).to_contain_text("30 documents were moved to internal")
    assert "q=tea" in documents.url
    assert [name for name, level in levels(tenant).items() if level == "public"] == ["coffee.md"]
    documents.locator("#pick-all").check()
    documents.locator("#bulk-delete").click()
    expect(dialog).to_contain_text("Delete 29 documents?")
    expect(dialog).to_contain_text("1 more comes from a source and stays")


def test_selection_outlives_the_swaps_of_the_list(documents, tenant):
    make_document(tenant, "still.md")
    make_document(tenant, "working.md", status="indexing", stage="embedding")
    documents.reload()
    documents.get_by_label("Select still.md").check()
    with documents.expect_response(lambda response: "/documents/" in response.url):
        pass
    documents.wait_for_timeout(300)
    expect(documents.get_by_label("Select still.md")).to_be_checked()
    expect(documents.locator("#bulk-count")).to_have_text("1 selected")


def test_failed_documents_are_tried_again_together(documents, tenant):
    for name in ("a.pdf", "b.pdf"):
        make_document(tenant, name, status="failed", error_code="corrupt", error_message="Broken.")
    make_document(tenant, "good.md")
    documents.goto(f"/t/{tenant.slug}/documents/?status=failed")
    documents.locator("#pick-page").check()
    expect(documents.locator("#bulk-count")).to_have_text("2 selected")
    documents.locator("#bulk-retry").click()
    expect(documents.locator(".toast")).to_contain_text("2 documents will be indexed again")


def test_access_level_is_changed_on_the_documents_page(signed_in, tenant):
    document = make_document(tenant, "plan.md", chunks=1)
    signed_in.goto(f"/t/{tenant.slug}/documents/{document.pk}/")
    signed_in.get_by_label("Access level").select_option("internal")
    signed_in.get_by_role("button", name="Change").click()
    dialog = signed_in.locator("#dialog")
    expect(dialog).to_contain_text("Make 1 document internal?")
    dialog.get_by_role("button", name="Make it internal").click()
    expect(signed_in.locator(".facts")).to_contain_text("internal")
    assert levels(tenant) == {"plan.md": "internal"}


def test_extracted_text_is_shown_without_what_could_act(signed_in, tenant):
    hostile = (
        "# Tea\n\n<script>alert(1)</script> **hot** [x](javascript:alert(1))\n\n" + "Leaf. " * 4000
    )
    document = make_document(tenant, "tea.md", markdown=hostile)
    signed_in.goto(f"/t/{tenant.slug}/documents/{document.pk}/")
    signed_in.get_by_role("link", name="Extracted text").click()
    text = signed_in.locator("#text .rendered")
    expect(text).to_contain_text("hot")
    expect(text.locator("script, a, img")).to_have_count(0)
    signed_in.get_by_role("link", name="Next").click()
    expect(signed_in.locator("#text")).to_contain_text("Part 2 of")


def test_lists_fit_a_phone_with_everything_selected(open_page, owner, tenant):
    make_document(tenant, "a/" + "very-long-" * 20 + ".md", status="failed", error_code="encrypted")
    page = open_page(owner, NARROW)
    page.goto(f"/t/{tenant.slug}/documents/")
    page.locator("#pick-all").check()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.locator("#bulk-delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("Delete 1 document?")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
