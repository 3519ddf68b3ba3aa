"""A tenant that is moved, exported or imported while it is being re-indexed."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from retrieval.indexing import vector_index
from retrieval.models import TermFrequency
from retrieval.services.reindex import start_reindex
from tenants.archive.export import export_tenant
from tenants.archive.import_ import import_tenant
from tenants.context import tenant_context
from tenants.models import DocumentJob
from tenants.moving.request import move_tenant
from tenants.removal import remove_tenant
from tenants.services import create_tenant
from tests.documents import DOCUMENTS
from tests.retrieval.documents import upload
from tests.retrieval.reindexing import (
    LOCAL,
    caller_of,
    check_consistent,
    found_paths,
    fresh,
    generations_of,
    index_all,
    index_one_document,
    jobs,
    other_model,
    stub_model,
)

QUESTION = "How do I reset my password?"


@pytest.fixture(scope="module", autouse=True)
def stub(services, django_db_setup):
    with stub_model(services["folder"]):
        yield


@pytest.fixture
def halfway(tenant):
    """One of two documents is made anew already."""
    DocumentJob.objects.all().delete()
    for path, (level, text) in DOCUMENTS.items():
        upload(tenant, path=path, content=text.encode(), access_level=level)
    index_all()
    start_reindex(tenant=fresh(tenant), actor="someone", embedding_model=other_model())
    index_one_document(tenant)
    assert (generations_of(tenant), jobs(tenant)) == ({1, 2}, 1)
    return fresh(tenant)


def test_moved_tenant_goes_on_where_it_is_then(halfway):
    move_tenant(tenant=halfway, to="partition")
    moved = fresh(halfway)
    assert (moved.isolation, moved.next_generation) == ("partition", 2)
    assert found_paths(caller_of(moved), QUESTION)[0] == "guide/passwords.md"
    index_all()
    assert fresh(moved).generation == 2
    check_consistent(moved)


def test_imported_tenant_has_what_was_in_use_and_nothing_half_made(halfway, tmp_path):
    path = tmp_path / "tenant.zip"
    export_tenant(tenant=halfway, path=path, actor=None)
    tenant = import_tenant(path=path, slug=f"{halfway.slug}-b", actor=None).tenant
    assert (tenant.generation, tenant.embedding_model) == (1, LOCAL)
    assert (tenant.next_generation, jobs(tenant)) == (None, 0)
    assert generations_of(tenant) == {1}
    with tenant_context(tenant):
        assert set(TermFrequency.objects.values_list("generation", flat=True)) == {1}
    check_consistent(tenant)
    assert found_paths(caller_of(tenant), QUESTION)[0] == "guide/passwords.md"
    start_reindex(tenant=tenant, actor="someone", chunk_tokens=100)
    index_all()
    assert fresh(tenant).generation == 2
    check_consistent(tenant)


def test_tenant_imported_after_a_switch_is_searched_in_its_own_generation(halfway, tmp_path):
    index_all()
    path = tmp_path / "tenant.zip"
    export_tenant(tenant=fresh(halfway), path=path, actor=None)
    tenant = import_tenant(path=path, slug=f"{halfway.slug}-c", actor=None).tenant
    assert (tenant.generation, generations_of(tenant)) == (2, {2})
    check_consistent(tenant)
    assert found_paths(caller_of(tenant), "A password is reset from the sign-in page.")


def pool_indexes(tenant) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'pool_shared' AND indexname LIKE %s",
            [f"chunk_hnsw_{tenant.pk}_%"],
        )
        return {name for (name,) in cursor.fetchall()}


def move(tenant):
    move_tenant(tenant=tenant, to="schema")


def delete(tenant):
    remove_tenant(tenant=tenant, actor=None)


@pytest.mark.parametrize("leave", [move, delete])
def test_index_of_the_vectors_leaves_the_pool_with_its_tenant(settings, leave):
    settings.VECTOR_INDEX_FROM = 2
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation="shared")
    upload(tenant, path="kettle.md", content=DOCUMENTS["guide/passwords.md"][1].encode() * 40)
    index_all()
    assert vector_index.tune(fresh(tenant)).hnsw_ef > 0
    assert pool_indexes(tenant)
    leave(fresh(tenant))
    assert not pool_indexes(tenant)
