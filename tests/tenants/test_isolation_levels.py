"""The same code on the three levels."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from retrieval.models import Chunk, Document, Source
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.services import create_tenant
from tenants.tables import tenant_tables
from tests.documents import DOCUMENTS, upload_and_index


@pytest.fixture(params=list(LEVELS))
def level(request):
    return request.param


def new_tenant(level):
    return create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level)


def test_a_tenant_of_each_level_stores_and_finds_its_own_documents_only(level):
    one, other = new_tenant(level), new_tenant(level)
    upload_and_index(one, DOCUMENTS)
    with tenant_context(one):
        assert Document.objects.filter(status="ready").count() == len(DOCUMENTS)
        assert Chunk.objects.count() >= len(DOCUMENTS)
    with tenant_context(other):
        assert Document.objects.count() == Chunk.objects.count() == 0


def test_row_security_holds_without_the_orms_filter(level):
    one, other = new_tenant(level), new_tenant(level)
    upload_and_index(one, DOCUMENTS)
    with tenant_context(other), connection.cursor() as cursor:
        for table in tenant_tables():
            cursor.execute(f'SELECT count(*) FROM "{one.schema_name}".{table}')
            assert cursor.fetchone() == (0,), table


def test_a_row_of_another_tenant_cannot_be_forged(level):
    one, other = new_tenant(level), new_tenant(level)
    with tenant_context(one), pytest.raises(Exception, match="row-level security|violates"):
        Source.objects.create(tenant_id=other.id, name="Forged", kind="upload")


def test_every_table_and_partition_forces_row_security(level):
    tenant = new_tenant(level)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)",
            [f'"{tenant.schema_name}"'],
        )
        assert cursor.fetchall() == []


def test_the_planner_reads_one_partition_of_many():
    tenants = [new_tenant("partition") for _ in range(3)]
    with tenant_context(tenants[0]):
        plan = Chunk.objects.filter(access_level="public").explain()
    assert f"retrieval_chunk_t{tenants[0].id}" in plan
    assert f"retrieval_chunk_t{tenants[1].id}" not in plan


def test_pooled_tenants_may_have_the_same_names_and_paths():
    for level in ("partition", "shared"):
        for _ in range(2):
            upload_and_index(new_tenant(level), DOCUMENTS)


def test_a_tenant_has_at_most_twelve_tables():
    assert len(tenant_tables()) <= 12


def test_the_slug_is_taken_whatever_the_level(level):
    tenant = new_tenant(level)
    with pytest.raises(Exception, match="already a tenant"):
        create_tenant(slug=tenant.slug, isolation="shared")
