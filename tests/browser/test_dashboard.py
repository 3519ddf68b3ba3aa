"""A dashboard in a real Chromium: another range, the comparison, the way to the traces, a phone."""

from __future__ import annotations

import re

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test.testcases import LiveServerThread
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE, session_cookie
from tests.browser.test_page_basics import DUPLICATE_IDS, SIDEWAYS, UNLABELLED
from tests.monitoring.rows import add_spending, add_usage, midnight


@pytest.fixture(scope="module")
def address(django_db_setup):
    server = LiveServerThread("127.0.0.1", StaticFilesHandler)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    yield f"http://127.0.0.1:{server.port}"
    server.terminate()


@pytest.fixture
def open_board(browser, address, tenant, owner):
    """The dashboard of a tenant with three weeks of questions, as its owner sees it."""
    problems, contexts = [], []
    for day in range(21):
        add_usage(tenant.pk, midnight(day), questions=day + 1, saved_cache_usd="0.1", down=1)
        add_spending(tenant.pk, midnight(day), "generation", cost="0.4")

    def make(size=WIDE, **options):
        context = browser.new_context(
            viewport=size, base_url=address, reduced_motion="reduce", **options
        )
        contexts.append(context)
        context.add_cookies([session_cookie(owner, address)])
        page = context.new_page()
        page.on("console", lambda m: m.type == "error" and problems.append(m.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"/t/{tenant.slug}/dashboard/?range=7d")
        return page

    yield make
    for context in contexts:
        context.close()
    assert problems == []


def figure(page, label):
    return page.locator(".tile", has=page.get_by_text(label, exact=True)).locator(".metric-value")


def test_another_range_and_the_comparison_keep_the_place_of_whoever_uses_the_keyboard(open_board):
    page = open_board()
    expect(figure(page, "Questions")).to_have_text("28")
    page.get_by_role("link", name="Last 30 days").press("Enter")
    expect(figure(page, "Questions")).to_have_text("231")
    expect(page).to_have_url(re.compile("range=30d"))
    expect(page.get_by_role("link", name="Last 30 days")).to_be_focused()
    expect(page.locator("#board-said")).to_contain_text("231 questions")
    page.get_by_role("link", name="Last 7 days").press("Enter")
    expect(figure(page, "Questions")).to_have_text("28")
    page.get_by_label("Compare with the period before").press("Space")
    expect(page.locator(".tiles")).to_contain_text("before: 77")
    expect(page.get_by_label("Compare with the period before")).to_be_focused()
    expect(page).to_have_url(re.compile("range=7d.*compare=1"))
    assert (
        page.evaluate("Object.keys(Chart.instances).length") == page.locator("canvas").count() > 5
    )
    page.go_back()
    expect(page.locator(".tiles")).not_to_contain_text("before:")


def test_a_bar_of_the_table_opens_its_traces(open_board):
    page = open_board()
    card = page.locator("#chart-questions")
    card.locator("summary").press("Enter")
    card.locator("tbody a").last.click()
    expect(page.get_by_role("heading", name="Traces")).to_be_visible()
    expect(page).to_have_url(re.compile(r"from=.*&to="))


def test_without_javascript_the_range_is_chosen_and_every_figure_is_there(open_board):
    page = open_board(java_script_enabled=False)
    page.get_by_label("Compare with the period before").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".tiles")).to_contain_text("before: 77")
    page.get_by_label("From", exact=True).fill(f"{midnight(3):%Y-%m-%d}")
    page.get_by_role("button", name="Show").click()
    expect(figure(page, "Questions")).to_have_text("10")
    page.locator("#chart-questions summary").click()
    expect(page.locator("#chart-questions tbody tr")).to_have_count(4)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["390", "1440"])
def test_it_fits_the_screen_and_everything_has_a_name(open_board, size):
    page = open_board(size)
    assert page.evaluate(SIDEWAYS) <= 0
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate(DUPLICATE_IDS) == []
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("#costs")).to_contain_text("How to lower it")
