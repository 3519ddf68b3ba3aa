"""Another embedding model in a browser: estimated, begun, watched until it is in use, and cancelled."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tenants.models import Tenant
from tests.browser.conftest import NARROW, WIDE
from tests.retrieval.documents import upload

pytestmark = pytest.mark.usefixtures("worker")

SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"
SLOW_MODEL = "openai:mock-embedding-700-48"
REFUSING_MODEL = "openai:mock-embedding-0-40-refusing"


@pytest.fixture
def filled(tenant, signed_in):
    """Indexed by the running worker."""
    for number in range(6):
        upload(
            tenant,
            path=f"kettle-{number}.md",
            content=f"# Kettle {number}\n\nIt whistles.".encode(),
        )
    upload(tenant, path="odd.md", content=b"# Odd\n\nThis text is unembeddable for some.")
    signed_in.goto(f"/t/{tenant.slug}/documents/?status=ready")
    expect(signed_in.get_by_role("link", name=re.compile(r"\.md$"))).to_have_count(
        7, timeout=60_000
    )
    return tenant


def change(page, tenant, model):
    page.goto(f"/t/{tenant.slug}/settings/")
    page.locator("#indexing-link").click()
    page.get_by_label("Embedding model").fill(model)
    page.locator("#estimate-reindex").click()
    expect(page.locator("#estimate")).to_contain_text("Re-index 7 documents?")
    page.locator("#start-reindex").click()


def test_model_is_changed_and_watched_until_it_is_in_use(signed_in, filled):
    page = signed_in
    change(page, filled, SLOW_MODEL)
    section = page.locator("#reindex")
    expect(section).to_contain_text("of 7 documents done")
    expect(section).to_have_count(0, timeout=60_000)
    expect(page.get_by_text(SLOW_MODEL).first).to_be_visible()
    assert Tenant.objects.get(pk=filled.pk).generation == 2
    # Nothing asks any more.
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(4_000)
    assert asked == []


def test_change_is_cancelled(signed_in, filled):
    page = signed_in
    change(page, filled, SLOW_MODEL)
    page.locator("#cancel-reindex").click()
    expect(page.locator("#reindex")).to_have_count(0)
    expect(page.get_by_text("everything stays as it was")).to_be_visible()
    assert Tenant.objects.get(pk=filled.pk).generation == 1


def test_switch_without_the_document_that_fails(signed_in, filled):
    page = signed_in
    change(page, filled, REFUSING_MODEL)
    button = page.get_by_role("button", name="Switch without the 1 that fails")
    expect(button).to_be_visible(timeout=60_000)
    expect(page.locator("#reindex").get_by_role("link", name="odd.md")).to_be_visible()
    button.click()
    expect(page.get_by_text("without 1 document that failed")).to_be_visible()
    assert Tenant.objects.get(pk=filled.pk).generation == 2


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_page_fits_the_screen(open_page, owner, tenant, size):
    page = open_page(owner, size=size)
    page.goto(f"/t/{tenant.slug}/settings/indexing/")
    page.get_by_label("Tokens in a passage").fill("3000")
    page.locator("#estimate-reindex").click()
    assert page.evaluate(SIDEWAYS) <= 0
    page.get_by_label("Tokens in a passage").fill("300")
    page.locator("#estimate-reindex").click()
    expect(page.locator("#estimate")).to_contain_text("takes effect at once")
    assert page.evaluate(SIDEWAYS) <= 0
