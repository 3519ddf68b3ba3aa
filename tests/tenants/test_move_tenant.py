"""A tenant is moved between all levels and stays what it was."""

from __future__ import annotations

import itertools
import uuid

import pytest

from tenants.isolation.levels import LEVELS
from tenants.moving.request import move_tenant
from tenants.services import create_tenant
from tests.documents import DOCUMENTS, upload_and_index
from tests.tenants.moving import contents, leftovers

ROUTES = list(itertools.permutations(LEVELS, 2))


@pytest.mark.parametrize(("here", "there"), ROUTES)
def test_every_row_is_the_same_on_the_other_side(here, there):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=here)
    upload_and_index(tenant, DOCUMENTS)
    before = contents(tenant)
    result = move_tenant(tenant=tenant, to=there)
    tenant.refresh_from_db()
    assert tenant.isolation == there
    assert contents(tenant) == before
    assert result.rows == sum(map(len, before.values()))
    assert leftovers(tenant) == []
