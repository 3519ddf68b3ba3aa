"""The shell and the operator's pages, with keyboard and on a phone."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import expect

from tenants.services import create_operator
from tests.browser.conftest import NARROW, WIDE

SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"
LARGE = {"width": 1920, "height": 1080}
PAGES = ("", "new-tenant/", "models/", "models/new/", "services/", "audit/")


@pytest.fixture
def operator():
    return create_operator(email=f"{uuid.uuid4().hex[:10]}@example.com", password="a-pass-phrase")


@pytest.mark.parametrize("size", [NARROW, WIDE, LARGE], ids=["390", "1440", "1920"])
def test_operator_pages_fit_the_screen(open_page, operator, tenant, size):
    page = open_page(operator, size)
    for name in (*PAGES, f"tenants/{tenant.slug}/"):
        page.goto(f"/operator/{name}")
        assert page.evaluate(SIDEWAYS) <= 0, name
        expect(page.locator("h1")).to_have_count(1)


def test_drawer_opens_on_a_phone_and_closes_by_key(open_page, owner, tenant):
    page = open_page(owner, NARROW)
    page.goto(f"/t/{tenant.slug}/")
    link = page.get_by_role("link", name="Documents", exact=True)
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).press("Enter")
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu", exact=True).click()
    link.click()
    expect(page).to_have_url(re.compile("/documents/$"))


def test_skip_link_leads_to_the_content(signed_in, tenant):
    signed_in.goto(f"/t/{tenant.slug}/members/")
    signed_in.keyboard.press("Tab")
    expect(signed_in.get_by_text("Skip to the content")).to_be_focused()
    signed_in.keyboard.press("Enter")
    expect(signed_in.locator("main")).to_be_focused()


def test_chosen_appearance_stays(signed_in, tenant):
    signed_in.goto(f"/t/{tenant.slug}/")
    root = signed_in.locator("html")
    signed_in.get_by_role("button", name="Your account").click()
    signed_in.get_by_role("button", name="Dark", exact=True).click()
    expect(root).to_have_attribute("data-theme", "dark")
    signed_in.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    signed_in.get_by_role("button", name="Your account").click()
    signed_in.get_by_role("button", name="System", exact=True).click()
    signed_in.reload()
    expect(root).not_to_have_attribute("data-theme", re.compile(".*"))


def test_tenant_is_made_with_a_slug_from_its_name(open_page, operator):
    page, word = open_page(operator), uuid.uuid4().hex[:8]
    page.goto("/operator/new-tenant/")
    page.get_by_label("Name").press_sequentially(f"Größe & {word}")
    expect(page.get_by_label("Slug")).to_have_value(f"grosse-{word}")
    page.get_by_role("button", name="Make the tenant").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Größe & {word}")
    expect(page.locator(".toast")).to_contain_text("was made in")


def test_list_is_searched_while_one_types(open_page, operator, tenant):
    page = open_page(operator)
    page.goto("/operator/tenants/")
    page.get_by_label("Search by name or slug").press_sequentially(tenant.slug)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(tenant.slug))


def test_suspension_is_asked_about_first(open_page, operator, tenant):
    page = open_page(operator)
    page.goto(f"/operator/tenants/{tenant.slug}/")
    page.get_by_role("button", name="Suspend").press("Enter")
    dialog = page.get_by_role("dialog")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Suspend").click()
    dialog.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("is suspended")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".toast")).to_have_count(0)


def test_endpoint_is_added_and_tried(open_page, operator, stack):
    page, name = open_page(operator), f"Stub {uuid.uuid4().hex[:6]}"
    page.goto("/operator/models/new/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Address").fill(stack.model_url)
    page.get_by_label("Small model").fill("mock")
    page.get_by_label("Large model").fill("mock")
    page.get_by_role("button", name="Save").click()
    card = page.get_by_role("region", name=name, exact=True)
    card.get_by_role("button", name="Test").click()
    expect(card).to_contain_text("has what is asked for")
