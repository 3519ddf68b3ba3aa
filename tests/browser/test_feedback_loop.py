"""A member rates an answer down; an admin finds out why, mends it, and the member sees it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.asking import add_kettle, ask, drop

pytestmark = pytest.mark.usefixtures("worker")

QUESTION = "Where can guests park their bicycles?"
BICYCLES = "# Bicycles\n\nGuests park their bicycles in the cellar; the key hangs at the desk.\n"


def test_from_a_thumbs_down_to_the_corrected_answer(signed_in, member, open_page, tenant):
    base, admin, asker = f"/t/{tenant.slug}/", signed_in, open_page(member)
    add_kettle(tenant)
    asker.goto(f"{base}playground/")
    ask(asker, QUESTION)
    asker.get_by_role("button", name="Bad answer").click()
    asker.get_by_label("What is wrong").select_option("incomplete")
    asker.get_by_role("button", name="Save comment").click()
    expect(asker.locator("#feedback-status")).to_have_text("Rated down. Saved.")

    admin.goto(base)
    admin.get_by_role("link", name="Feedback", exact=True).click()
    row = admin.locator(".review-row", has_text=QUESTION)
    expect(row.locator(".badge").first).to_have_text("Not in the documents", timeout=30_000)
    expect(admin.locator(".review-group h2")).to_have_text("Nothing in the documents")
    row.get_by_role("link", name="Review").click()
    expect(admin.locator("#review-item")).to_contain_text("Write a document about")
    admin.get_by_role("button", name="Make it a golden question").click()
    expect(admin.locator("#review-item .badge-ok")).to_have_text("Golden question")
    item = admin.url

    admin.get_by_role("link", name="Upload a document").click()
    drop(admin, ("bicycles.md", BICYCLES))
    expect(admin.locator("tbody .badge-ok")).to_have_count(2, timeout=60_000)
    admin.goto(item)
    expect(admin.locator(".alert-info")).to_contain_text("Documents changed since")
    admin.get_by_role("button", name="Ask again").click()
    new = admin.get_by_role("region", name="The new answer")
    expect(new).to_contain_text("bicycles.md", timeout=30_000)
    admin.get_by_role("button", name="Mark fixed").click()
    expect(admin.locator("#review-item")).to_contain_text("has not seen it yet")

    asker.goto(f"{base}playground/")
    notice = asker.locator(".alert-ok", has_text="An answer you rated down was corrected")
    notice.get_by_role("link", name="See it").click()
    expect(asker.get_by_role("region", name="The new answer")).to_contain_text("bicycles.md")
    admin.reload()
    expect(admin.locator("#review-item")).to_contain_text(re.compile("saw the new answer"))


def test_what_was_dismissed_by_mistake_comes_back(signed_in, tenant):
    base = f"/t/{tenant.slug}/"
    signed_in.goto(f"{base}playground/")
    ask(signed_in, QUESTION)
    signed_in.get_by_role("button", name="Bad answer").click()
    expect(signed_in.locator("#feedback-status")).to_have_text("Rated down. Saved.")
    signed_in.goto(f"{base}feedback/")
    signed_in.get_by_role("checkbox", name=re.compile("^Select")).check()
    signed_in.get_by_role("button", name="Dismiss").click()
    expect(signed_in.get_by_text("Dismissed: 1 answer.")).to_be_visible()
    expect(signed_in.get_by_text("No feedback matches")).to_be_visible()
    signed_in.get_by_role("button", name="Undo").click()
    expect(signed_in.locator(".review-row")).to_have_count(1)
