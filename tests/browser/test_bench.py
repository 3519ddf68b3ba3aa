"""Settings tried on a question: in the bench, side by side, and saved as the default."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tenants.models import Tenant
from tests.browser.conftest import NARROW
from tests.corpora import give_documents

NOTES = {
    f"{name}.md": (
        "public",
        f"# {name}\n\nThe {name} has to be descaled every {number} months.\n",
    )
    for number, name in enumerate(("kettle", "boiler", "urn", "samovar"), start=3)
}
QUESTION = "When has the kettle to be descaled?"
SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def documents(tenant):
    give_documents(tenant, NOTES)


def search(page, question=QUESTION):
    page.get_by_label("Question", exact=True).fill(question)
    page.get_by_label("Question", exact=True).press("Enter")
    expect(page.locator("#bench-status")).to_contain_text("candidates are shown")


def save(page, words):
    """Agrees to what the dialog says."""
    dialog = page.locator("#save-settings dialog")
    expect(dialog).to_contain_text(words)
    dialog.get_by_role("button", name="Save as default").click()
    expect(page.locator(".toast")).to_contain_text("Saved")


def test_a_knob_is_turned_tried_and_saved(signed_in, tenant, documents):
    page = signed_in
    page.goto(f"/t/{tenant.slug}/bench/")
    search(page)
    expect(page.locator("#bench-hits li")).to_have_count(4)
    expect(page.locator("#bench-hits li").first).to_contain_text("kettle.md")
    expect(page.locator("#bench-hits .bench-scores").first).to_contain_text("Similarity")
    expect(page.locator("#bench-times")).to_contain_text("search")

    page.get_by_label("Passages per question", exact=True).fill("2")
    expect(page.locator("#bench-status")).to_contain_text("settings have changed")
    search(page)
    expect(page.locator("#bench-hits li")).to_have_count(2)
    expect(page.locator("#bench-dropped .bench-fate").first).to_have_text("others ranked higher")
    assert "top_k=2" in page.url

    page.reload()
    expect(page.locator("#bench-hits li")).to_have_count(2)
    page.locator("#bench-save").click()
    save(page, "Passages per question: 5 passages → 2 passages")
    expect(page.locator("#bench-changed")).to_be_hidden()
    assert "top_k" not in page.url
    assert Tenant.objects.get(pk=tenant.pk).top_k == 2


def test_a_knob_goes_back_to_what_is_saved(signed_in, tenant):
    page = signed_in
    page.goto(f"/t/{tenant.slug}/bench/?top_k=9&rerank=off")
    expect(page.locator("#bench-changed")).to_have_text("2 changed")
    page.get_by_role("button", name="As saved: Passages per question").press("Enter")
    expect(page.get_by_label("Passages per question", exact=True)).to_have_value("5")
    expect(page.get_by_label("Passages per question", exact=True)).to_be_focused()
    page.locator("[data-knobs-reset=default]").click()
    expect(page.locator("#bench-changed")).to_be_hidden()


def test_filters_narrow_and_nothing_near_enough_names_the_floor(signed_in, tenant, documents):
    page = signed_in
    page.goto(f"/t/{tenant.slug}/bench/?q={QUESTION}&path=boiler")
    expect(page.locator("#bench-hits li")).to_have_count(1)
    expect(page.locator("#bench-hits li")).to_contain_text("boiler.md")
    page.get_by_label("Path begins with").fill("")
    search(page, "Which mountain is the highest of Nepal?")
    expect(page.locator("#bench-empty")).to_contain_text("the least similarity of 0.2 and")
    expect(page.locator("#bench-dropped .bench-fate").first).to_have_text("not near enough")


def test_a_refused_search_is_said_and_leaves_no_old_results(signed_in, tenant, documents, problems):
    page = signed_in
    page.goto(f"/t/{tenant.slug}/bench/?q={QUESTION}")
    expect(page.locator("#bench-hits li")).to_have_count(4)
    page.route("**/api/v1/search/", lambda route: route.abort())
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#bench-error")).to_contain_text("could not be reached")
    expect(page.locator("#bench-hits")).to_be_hidden()
    page.get_by_label("Passages per question", exact=True).fill("0")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_label("Passages per question", exact=True)).to_be_focused()
    problems.clear()


def test_two_settings_are_compared_and_one_is_taken(signed_in, tenant, documents):
    page = signed_in
    page.goto(f"/t/{tenant.slug}/playground/compare/?right-top_k=2")
    page.get_by_label("Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("#figures-title")).to_be_visible(timeout=30_000)
    expect(page.locator("#compare-answers .turn-footer:visible")).to_have_count(2)
    expect(page.locator("#compare-result")).to_contain_text(
        "2 on both sides, 2 only left, 0 only right"
    )
    assert "right-top_k=2" in page.url
    page.reload()
    expect(page.get_by_label("Your question")).to_have_value(QUESTION)
    expect(page.locator("#compare-answers")).to_be_hidden()

    page.get_by_role("button", name="Use the right settings").click()
    save(page, "Passages per question: 5 passages → 2 passages")
    expect(page.locator("#side-left [data-changed]")).to_have_text("1 changed")
    expect(page.locator("#side-right [data-changed]")).to_be_hidden()
    assert Tenant.objects.get(pk=tenant.pk).top_k == 2
    page.goto(f"/t/{tenant.slug}/playground/")
    expect(page.locator("#conversations-card li")).to_have_count(0)


def test_on_a_phone_the_question_comes_first_and_nothing_runs_over(
    open_page, owner, tenant, documents
):
    page = open_page(owner, NARROW)
    page.goto(f"/t/{tenant.slug}/bench/?q={QUESTION}")
    expect(page.locator("#bench-hits li")).to_have_count(4)
    assert page.evaluate(SIDEWAYS) <= 0
    expect(page.get_by_label("Passages per question", exact=True)).to_be_hidden()
    page.locator("#bench-knobs summary").click()
    expect(page.get_by_label("Passages per question", exact=True)).to_be_visible()
    assert page.evaluate(SIDEWAYS) <= 0
