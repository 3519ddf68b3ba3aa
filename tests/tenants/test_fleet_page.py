"""The operator's page about schemas: what it shows, and what one that is gone does to the others."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants.models import SchemaVersion
from tenants.schema import owner
from tenants.schema_fleet import FleetFilter, summarize_fleet
from tenants.tables import tenant_tables
from tests.tenants.new_migration import new_tenants

FLEET = "/operator/fleet/"


def find(tenant, **filters):
    (row,) = [row for row in FleetFilter(**filters)[0:1000] if row.schema == tenant.schema_name]
    return row


def rows_of(html):
    """The cells of each row, as text."""
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def test_a_new_schema_is_current_with_all_its_tables_and_a_size(tenant):
    row = find(tenant)
    assert (row.state, row.level, row.tenants, row.slug) == ("current", "schema", 1, tenant.slug)
    assert row.tables == len(tenant_tables())
    assert (row.size or 0) > 100_000


def test_the_page_names_the_schema_and_says_how_to_migrate(cast):
    page = cast.client("operator").get(FLEET, {"q": cast.tenant.slug}).content.decode()
    (row,) = rows_of(page)
    assert cast.tenant.schema_name in row
    assert "Current" in row
    assert "manage.py migrate_schemas" in page


def test_a_pool_counts_its_tenants_and_is_found_by_any_of_them(cast):
    one, other = new_tenants(2, "shared")
    for tenant in (one, other):
        (row,) = FleetFilter(text=tenant.slug)[0:10]
        assert (row.schema, row.level) == ("pool_shared", "shared")
        assert row.tenants >= 2


@pytest.mark.parametrize("name", ["nobody", "stranger", "owner"])
def test_the_page_is_for_operators(shared_cast, name):
    assert shared_cast.client(name).get(FLEET).status_code in (302, 404)


def test_the_number_of_queries_does_not_grow_with_the_fleet(cast):
    client = cast.client("operator")
    client.get(FLEET)
    with CaptureQueriesContext(connection) as few:
        client.get(FLEET)
    new_tenants(8)
    with CaptureQueriesContext(connection) as many:
        client.get(FLEET)
    assert len(many) == len(few) <= 9


@pytest.mark.parametrize("sort", ["schema", "-tenants", "version", "-migrated", "size", "-size"])
def test_every_sort_works(cast, sort):
    response = cast.client("operator").get(FLEET, {"sort": sort})
    assert response.status_code == 200
    assert b'aria-sort="' in response.content


def test_sorts_and_filters_that_do_not_exist_are_ignored(cast):
    wild = {"sort": "1; DROP TABLE x", "state": "'", "level": "\x00", "q": "%", "page": "999999"}
    response = cast.client("operator").get(FLEET, wild)
    assert response.status_code == 200
    assert rows_of(response.content.decode()) == []


def test_the_list_alone_is_sent_for_a_filter(cast):
    response = cast.client("operator").get(FLEET, headers={"HX-Request": "true"})
    assert b"<table" in response.content
    assert b"<html" not in response.content


def test_a_schema_that_is_not_current_comes_first(cast):
    row = SchemaVersion.objects.get(schema_name=cast.tenant.schema_name)
    current = row.version
    SchemaVersion.objects.filter(pk=row.pk).update(version="0000_older")
    try:
        first = rows_of(cast.client("operator").get(FLEET).content.decode())[0]
        assert cast.tenant.schema_name in first
        assert "Newer release" in first
        assert summarize_fleet().newer == 1
    finally:
        SchemaVersion.objects.filter(pk=row.pk).update(version=current)


def test_a_dropped_table_shows(tenant):
    with owner().cursor() as cursor:
        cursor.execute(f'DROP TABLE "{tenant.schema_name}".retrieval_feedback')
    assert find(tenant).state == "incomplete"


def test_the_summary_counts_the_catalog():
    summary = summarize_fleet()
    assert summary.schemas == SchemaVersion.objects.count()
    assert summary.database_size > summary.catalog_size > 0
    assert summary.catalog_rows > 100
