"""The comparison of the levels in a browser: begun and cancelled, read, asked for a recommendation."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import expect

from retrieval.comparison.plan import SIZES
from retrieval.comparison.runs import begin_comparison, finish_comparison, merge
from tenants.isolation.levels import LEVELS
from tenants.models import IsolationComparison, Tenant
from tenants.services import create_operator
from tests.browser.conftest import NARROW, WIDE

pytestmark = pytest.mark.usefixtures("worker")

PAGE = "/operator/isolation/comparison/"
SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"
FIGURES = {
    "search_p50_ms": 8.2, "search_p99_ms": 12.4, "search_ratio": 1.04, "recall_at_10": 1.0,
    "first_search_ms": 20.0, "storage_bytes": 4_100_000, "small_storage_bytes": 344_064,
    "catalog_bytes": 172_000, "catalog_rows": 812, "create_ms": 61.0, "delete_ms": 58.0,
    "backend_bytes": 204_000,
}  # fmt: skip


@pytest.fixture
def operator():
    IsolationComparison.objects.all().delete()
    return create_operator(email=f"{uuid.uuid4().hex[:10]}@example.com", password="a-pass-phrase")


@pytest.fixture
def measured(operator):
    run = begin_comparison(SIZES["full"].plan)
    counts = run.results["settings"]["tenants"]
    rows = [{"level": level, "tenants": n, **FIGURES} for level in LEVELS for n in counts]
    merge(run, chunks=333, rows=rows)
    finish_comparison(run, "done", seconds=402.0, left_tenants=0)
    return run


def test_a_comparison_is_begun_followed_and_cancelled(open_page, operator):
    page = open_page(operator)
    page.goto("/operator/isolation/")
    page.get_by_role("link", name="Compare the levels").click()
    expect(page.locator(".empty")).to_contain_text("Not measured yet")
    page.get_by_role("button", name="Measure now").click()
    section = page.get_by_label("Running comparison")
    expect(section).to_contain_text(re.compile("Embedding document|Schema:"), timeout=60_000)
    section.get_by_role("button", name="Cancel").click()
    expect(page.locator(".alert")).to_contain_text("was cancelled", timeout=60_000)
    expect(page.get_by_role("button", name="Measure now")).to_be_visible()
    assert not Tenant.objects.filter(slug__startswith=Tenant.COMPARISON_PREFIX).exists()


@pytest.mark.usefixtures("measured")
def test_a_recommendation_is_asked_for_and_its_address_can_be_kept(open_page, operator):
    page = open_page(operator)
    page.goto(PAGE)
    page.get_by_label("Tenants", exact=True).fill("100000")
    page.get_by_label("Chunks in each").fill("200")
    page.get_by_role("button", name="Recommend").click()
    expect(page).to_have_url(re.compile("tenants=100000&chunks=200"))
    expect(page.locator(".badge-info")).to_have_text("Shared")
    expect(page.get_by_text("Not schema: its catalog would take 16 GB")).to_be_visible()


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["390", "1440"])
def test_the_page_fits_the_screen(open_page, operator, size):
    page = open_page(operator, size)
    page.goto(PAGE)
    expect(page.get_by_role("heading", name="Search, median")).to_be_visible()
    assert page.evaluate(SIDEWAYS) <= 0
