"""Where a source may read is asked at each use, and for the tenant that asks."""

from __future__ import annotations

import uuid

import pytest
from django.conf import settings

from tenants.context import tenant_context
from tenants.services import create_tenant
from tests.retrieval.sync.folders import counts, folder_source, sync, sync_root, texts, write


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, {"a.md": "Alpha."})
    return tmp_path


def test_a_root_that_the_operator_has_taken_back_fails_the_run_and_deletes_nothing(tenant, folder):
    with sync_root(folder):
        source = folder_source(tenant, folder)
        sync(tenant, source)
    run = sync(tenant, source)
    assert (run.status, run.error_code, counts(run)) == ("failed", "outside_root", {})
    assert texts(tenant) == {"a.md": "Alpha."}


def test_a_source_that_comes_to_another_tenant_does_not_open_the_first_ones_folder(tmp_path):
    first, second = (create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}") for _ in range(2))
    write(tmp_path / first.slug, {"secret.md": "For the first tenant only."})
    (tmp_path / second.slug).mkdir()
    with sync_root(f"{tmp_path}/{{tenant}}"):
        assert settings.SYNC_ROOTS[-1].endswith("{tenant}")
        source = folder_source(first, tmp_path / first.slug)
        assert counts(sync(first, source)) == {"added": 1}
        copy = folder_source(second, tmp_path / second.slug)
        with tenant_context(second):
            copy.config = source.config  # as an import leaves it
            copy.save()
        run = sync(second, copy)
    assert (run.status, run.error_code) == ("failed", "outside_root")
    assert texts(second) == {}
