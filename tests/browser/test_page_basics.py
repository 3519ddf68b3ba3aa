"""What every page owes everybody: labels, one heading, visible focus, no sideways scrolling."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE
from tests.retrieval.pages import citation, hit, make_document, make_trace

UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea, button, a[href]")]
  .filter((node) => node.type !== "hidden" && node.checkVisibility())
  .filter((node) => !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()
    || node.title || node.querySelector("[aria-label]")))
  .map((node) => node.outerHTML)"""
DUPLICATE_IDS = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}"""
FOCUS_RING = """() => {
  const style = (node) => getComputedStyle(node);
  const node = document.activeElement;
  return node === document.body || style(node).outlineStyle !== "none"
    || style(node.closest("form, .dropzone") ?? node).outlineStyle !== "none"
    || node.matches("[type=file]");
}"""
SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"
PAGES = (
    "documents/",
    "playground/",
    "playground/compare/",
    "bench/",
    "traces/",
    "alerts/",
    "alerts/rules/",
    "alerts/rules/new/",
    "alerts/notifiers/",
    "document",
    "trace",
)


@pytest.fixture
def addresses(tenant, owner):
    long_name = "folder/" + "a-very-long-name-" * 9 + ".md"
    document = make_document(tenant, long_name, chunks=3)
    make_document(tenant, "bad.pdf", status="failed", error_message="It is corrupt. " * 6)
    trace = make_trace(
        tenant,
        user=owner,
        question="word" * 60,
        answer="See [1].\n\n" + "unbroken" * 40,
        citations=[citation(document)],
        hits=[hit(document)],
        spans=[{"kind": "search", "start_ms": 0.0, "duration_ms": 3.0}],
        duration_ms=5.0,
    )
    base = f"/t/{tenant.slug}/"
    named = {"document": f"documents/{document.id}/", "trace": f"traces/{trace.id}/"}
    return [base + named.get(name, name) for name in PAGES]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_pages_fit_and_are_labelled(open_page, owner, addresses, size):
    page = open_page(owner, size)
    for address in addresses:
        page.goto(address)
        assert page.evaluate(SIDEWAYS) <= 0, address
        assert page.evaluate(UNLABELLED) == [], address
        assert page.evaluate(DUPLICATE_IDS) == [], address
        expect(page.locator("h1")).to_have_count(1)
        assert page.title()


def test_focus_is_always_visible(open_page, owner, addresses):
    page = open_page(owner)
    for address in addresses:
        page.goto(address)
        for _ in range(25):
            page.keyboard.press("Tab")
            assert page.evaluate(FOCUS_RING), page.evaluate("document.activeElement.outerHTML")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_empty_tenant_has_a_way_on_from_every_page(open_page, owner, tenant, size):
    page = open_page(owner, size)
    for name, words in (
        ("documents/", "No documents yet"),
        ("playground/", "No documents to ask yet"),
        ("traces/", "Nothing asked yet"),
    ):
        page.goto(f"/t/{tenant.slug}/{name}")
        expect(page.locator(".empty h2")).to_have_text(words)
        assert page.evaluate(SIDEWAYS) <= 0, name


def test_member_cannot_see_upload(open_page, member, tenant):
    make_document(tenant, "public.md")
    make_document(tenant, "secret.md", access_level="internal")
    page = open_page(member)
    page.goto(f"/t/{tenant.slug}/documents/")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("input[type=file]")).to_have_count(0)
    expect(page.get_by_role("link", name="Delete")).to_have_count(0)


def test_filters_act_without_a_button_and_stay_in_the_address(open_page, owner, tenant):
    make_document(tenant, "tea.md")
    make_document(tenant, "coffee.md", status="failed")
    page = open_page(owner)
    page.goto(f"/t/{tenant.slug}/documents/")
    page.get_by_role("link", name="Failed 1").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "status=failed" in page.url
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Search in paths and titles").fill("milk")
    expect(page.locator(".empty h2")).to_have_text("No document matches")
    page.get_by_role("link", name="Show all documents").click()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_bare_anchor_of_a_passage_opens_its_page(open_page, owner, tenant):
    document = make_document(tenant, chunks=45)
    page = open_page(owner)
    address = f"/t/{tenant.slug}/documents/{document.id}/"
    page.goto(f"{address}?page=3")
    anchor = page.locator(".passage").last.get_attribute("id")
    page.goto("about:blank")
    page.goto(f"{address}#{anchor}")
    expect(page.locator(f"#{anchor}.is-marked")).to_be_in_viewport()
