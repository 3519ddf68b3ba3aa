from __future__ import annotations

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from ragadmin.errors import TenantNotSet
from retrieval.models import Source
from tenants.context import current_tenant, tenant_context
from tenants.services import create_tenant


@pytest.fixture
def other_tenant():
    return create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")


def test_no_tenant_is_an_error_and_never_a_default():
    with pytest.raises(TenantNotSet):
        Source.objects.count()
    with pytest.raises(TenantNotSet):
        current_tenant()


def test_rows_get_the_tenant_in_force(tenant):
    with tenant_context(tenant):
        source = Source.objects.create(name="Uploads", kind="upload")
        source.refresh_from_db()
        assert source.tenant_id == tenant.id


def test_another_tenant_cannot_be_entered_inside(tenant, other_tenant):
    with tenant_context(tenant), pytest.raises(TenantNotSet), tenant_context(other_tenant):
        pass


def test_setting_ends_with_the_transaction(tenant):
    with tenant_context(tenant):
        pass
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('ragadmin.tenant_id', true), current_setting('search_path')"
        )
        tenant_id, path = cursor.fetchone()
    assert not tenant_id
    assert tenant.schema_name not in path


def test_wrong_search_path_yields_no_rows(tenant, other_tenant):
    with tenant_context(tenant):
        Source.objects.create(name="Uploads", kind="upload")
    with tenant_context(other_tenant), connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{tenant.schema_name}".retrieval_source')
        assert cursor.fetchone() == (0,)


def test_runtime_role_owns_nothing_and_cannot_bypass(tenant):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, False, False)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
        assert cursor.fetchone() == (0,)


def test_every_tenant_table_forces_row_security(tenant):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT (relrowsecurity AND relforcerowsecurity)",
            [f'"{tenant.schema_name}"'],
        )
        assert cursor.fetchall() == []


def test_raw_query_without_a_tenant_fails(tenant):
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{tenant.schema_name}".retrieval_source')
