"""Settings changed on their page, tried on golden questions beside those in force, and saved."""

from __future__ import annotations

import threading

import pytest
from django.db import connections
from playwright.sync_api import expect

from retrieval.evaluation.work import run_next
from tests.browser.conftest import NARROW
from tests.corpora import give_documents
from tests.retrieval.golden import QUESTIONS, set_questions

SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def questions(tenant):
    give_documents(tenant)
    set_questions(tenant, *QUESTIONS)


def work_off(tenant):
    """As a worker does, in a thread: this one has the browser's event loop."""

    def run():
        while run_next("browser", tenant):
            pass
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_settings_are_tried_on_golden_questions_before_they_are_saved(signed_in, tenant, questions):
    page = signed_in
    page.goto(f"/t/{tenant.slug}/settings/search/")
    page.get_by_label("Least similarity", exact=True).fill("0.95")
    page.get_by_role("button", name="Try on golden questions first").click()
    expect(page.get_by_label("Least similarity")).to_have_value("0.95")
    page.get_by_role("button", name="Try on 3 golden questions").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    work_off(tenant)
    expect(page.get_by_text("Newly wrong").first).to_be_visible()
    expect(page.locator(".changes").first).to_contain_text("0.2 → 0.95")
    page.locator(".evaluation-pair summary").first.click()
    expect(page.locator(".pair-answers").first).to_contain_text("On trial")
    page.set_viewport_size(NARROW)
    assert page.evaluate(SIDEWAYS) <= 0
    page.get_by_role("button", name="Save these settings").click()
    expect(page.locator(".toast")).to_contain_text("Saved")
    tenant.refresh_from_db()
    assert tenant.min_similarity == 0.95
