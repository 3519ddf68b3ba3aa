"""An operator moves a tenant, after thinking twice."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import expect

from tenants.services import create_operator, create_tenant
from tests.documents import DOCUMENTS, upload_and_index

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def operator():
    return create_operator(email=f"{uuid.uuid4().hex[:10]}@example.com", password="a-pass-phrase")


def test_a_tenant_is_moved_with_counts_first_and_progress_after(open_page, operator):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
    upload_and_index(tenant, DOCUMENTS)
    page = open_page(operator)
    page.goto(f"/operator/tenants/{tenant.slug}/")
    section = page.locator("#move")
    section.get_by_label("Shared").check()
    section.get_by_role("button", name="Move …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text(f"Move {tenant.name} to Shared?")
    expect(dialog.get_by_role("row", name="Documents 2")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    section.get_by_role("button", name="Move …").click()
    page.get_by_role("dialog").get_by_role("button", name="Move to Shared").click()
    expect(section).to_contain_text("every one compared", timeout=30_000)
    expect(section).to_contain_text("pool_shared")
