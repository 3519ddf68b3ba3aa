"""From an uploaded file to a cited, rated answer, as a person does it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.asking import KETTLE, add_kettle, ask, drop
from tests.browser.conftest import make_person

pytestmark = pytest.mark.usefixtures("worker")

PASSWORD = "a-long-enough-pass-phrase"


def test_from_sign_in_to_a_rated_answer(page, tenant):
    user = make_person(tenant, "owner", password=PASSWORD)
    page.goto("/accounts/login/")
    page.get_by_label(re.compile("e-?mail", re.I)).fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "login" not in url)

    page.goto(f"/t/{tenant.slug}/documents/")
    drop(page, ("kettle.md", KETTLE))
    expect(page.locator("tbody .badge-ok")).to_have_count(1, timeout=60_000)
    page.goto(f"/t/{tenant.slug}/playground/")
    expect(page.locator(".suggestion").first).to_contain_text("Kettles")
    page.locator("h1").click()
    ask(page, "How often should I descale the kettle?")
    cite = page.locator(".answer .cite").first
    expect(cite).to_be_visible()
    expect(page.locator(".turn-meta")).to_contain_text("mock-150-40-15")

    cite.focus()
    page.keyboard.press("Enter")
    panel = page.locator("#source-panel")
    expect(panel).to_be_visible()
    expect(panel).to_contain_text("kettle.md")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(cite).to_be_focused()

    page.get_by_role("button", name="Bad answer").focus()
    page.keyboard.press("Enter")
    reason = page.get_by_label("What is wrong")
    expect(reason).to_be_focused()
    reason.select_option("incomplete")
    page.get_by_label("Comment").fill("It leaves out the rinsing.")
    page.get_by_role("button", name="Save comment").press("Enter")
    expect(page.locator("#feedback-status")).to_have_text("Rated down. Saved.")
    expect(page.get_by_text("Your reason and comment")).to_be_visible()
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Good answer").press("Enter")
    expect(page.locator("#feedback-status")).to_have_text("Rated up. Saved.")

    page.get_by_role("link", name="Trace", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "How often should I descale the kettle?"
    )
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".waterfall")).to_contain_text("generate")
    page.locator(".trace-sources a").first.click()
    expect(page.locator(".passage.is-marked")).to_be_in_viewport()
    expect(page.locator(".passage.is-marked")).to_be_focused()


def test_bad_file_has_its_own_error_beside_the_good_one(signed_in, tenant):
    signed_in.goto(f"/t/{tenant.slug}/documents/")
    files = [
        {"name": "kettle.md", "mimeType": "text/markdown", "buffer": KETTLE.encode()},
        {"name": "noise.pdf", "mimeType": "application/pdf", "buffer": bytes(range(256)) * 8},
    ]
    signed_in.get_by_label("Choose files").set_input_files(files)
    expect(signed_in.locator("tbody .badge-ok")).to_have_count(1, timeout=60_000)
    failed = signed_in.locator("tbody tr", has_text="noise.pdf")
    expect(failed.locator(".badge-bad")).to_be_visible(timeout=60_000)
    expect(failed.locator(".document-error")).not_to_be_empty()
    expect(signed_in.locator("#documents")).not_to_have_attribute("hx-trigger", re.compile("every"))

    failed.get_by_role("link", name="Delete").click()
    dialog = signed_in.get_by_role("dialog")
    expect(dialog).to_contain_text("0 passages")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    failed.get_by_role("link", name="Delete").click()
    dialog.get_by_role("button", name="Delete document").click()
    expect(signed_in.locator("tbody tr")).to_have_count(1)


def test_answer_can_be_stopped_and_asked_again(signed_in, tenant):
    add_kettle(tenant)
    signed_in.goto(f"/t/{tenant.slug}/playground/")
    signed_in.locator(".suggestion").first.click()
    signed_in.get_by_role("button", name="Stop").click()
    expect(signed_in.locator(".turn-error")).to_contain_text("Stopped")
    signed_in.get_by_role("button", name="Ask again").click()
    expect(signed_in.locator(".turn-footer")).to_be_visible(timeout=30_000)
    expect(signed_in.locator(".turn")).to_have_count(1)


def test_conversation_goes_on_and_is_found_again(signed_in, tenant):
    add_kettle(tenant)
    signed_in.goto(f"/t/{tenant.slug}/playground/")
    ask(signed_in, "When does the kettle whistle?")
    ask(signed_in, "How do I stop it?")
    expect(signed_in.locator("#conversations-card li")).to_have_count(1)
    signed_in.reload()
    expect(signed_in.locator(".turn")).to_have_count(2)
    signed_in.get_by_role("link", name="New conversation").click()
    expect(signed_in.locator(".turn")).to_have_count(0)


def test_shift_and_enter_begins_a_line(signed_in, tenant):
    signed_in.goto(f"/t/{tenant.slug}/playground/")
    box = signed_in.get_by_label("Your question")
    box.fill("One")
    box.press("Shift+Enter")
    signed_in.keyboard.type("two")
    expect(box).to_have_value("One\ntwo")


@pytest.mark.parametrize("question", ["\u0001\u0002"])
def test_refused_question_is_shown_with_its_reason(signed_in, tenant, problems, question):
    signed_in.goto(f"/t/{tenant.slug}/playground/")
    signed_in.get_by_label("Your question").fill(question)
    signed_in.get_by_role("button", name="Ask", exact=True).click()
    expect(signed_in.locator(".turn-error")).to_contain_text("empty")
    problems.clear()
