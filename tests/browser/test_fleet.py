"""The fleet page in a browser: find, sort, and what a schema that is gone looks like."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import expect

from tenants.schema import owner as database_owner
from tenants.services import create_operator, create_tenant
from tests.browser.conftest import NARROW, WIDE

SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def operator():
    return create_operator(email=f"{uuid.uuid4().hex[:10]}@example.com", password="a-pass-phrase")


@pytest.fixture
def lost(tenant):
    """A tenant whose schema somebody dropped."""
    with database_owner().cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{tenant.schema_name}" CASCADE')
    yield tenant
    with database_owner().cursor() as cursor:
        cursor.execute(
            "DELETE FROM tenants_schemaversion WHERE schema_name = %s", [tenant.schema_name]
        )
    tenant.delete()


def test_schema_is_found_and_the_list_sorted(open_page, operator):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    page = open_page(operator)
    page.goto("/operator/")
    page.get_by_role("link", name="Fleet").click()
    page.get_by_role("link", name="Tenants", exact=True).last.click()
    expect(page.locator("th[aria-sort]")).to_contain_text("Tenants")
    page.get_by_label("Search by schema or tenant").press_sequentially(tenant.slug)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(f"sort=tenants.*{tenant.slug}|{tenant.slug}.*sort=tenants"))
    page.get_by_role("link", name=tenant.schema_name).click()
    expect(page.locator("h1")).to_contain_text(tenant.slug)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["390", "1440"])
def test_a_lost_schema_is_red_and_its_tenant_says_why(open_page, operator, lost, problems, size):
    page = open_page(operator, size)
    page.goto(f"/t/{lost.slug}/documents/")
    expect(page.locator("h1")).to_contain_text("cannot be found")
    problems.clear()  # the browser notes the 503
    page.get_by_role("link", name="See the fleet").click()
    expect(page.get_by_role("alert").or_(page.locator(".alert-error"))).to_contain_text("1 schema")
    expect(page.locator("tbody tr").first).to_contain_text("Missing")
    assert page.evaluate(SIDEWAYS) <= 0
