"""A connection that has served many tenants is replaced, and nobody notices."""

from __future__ import annotations

import logging

import pytest
from django.db import connection, transaction

from tenants import recycling
from tenants.access import tenant_config
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.models import Tenant
from tenants.pool import close_pool, open_pool, tenant_transaction
from tests.tenants.new_migration import new_tenants

BACKEND = "SELECT pg_backend_pid() AS pid"


TARGETS = """
SELECT attname, attstattarget FROM pg_attribute
WHERE attrelid = ANY(%s::regclass[]) AND attnum > 0 AND attstattarget >= 0
"""


@pytest.mark.parametrize("level", list(LEVELS))
def test_no_statistics_are_kept_of_vectors_and_texts(level):
    """Each backend would keep a hundred vectors for every tenant that it serves."""
    (tenant,) = new_tenants(1, level)
    own = f"t{tenant.id}" if level == "partition" else "default"
    tables = [f"{tenant.schema_name}.retrieval_chunk{end}" for end in ("", f"_{own}")]
    with connection.cursor() as cursor:
        cursor.execute(TARGETS, [tables])
        found = sorted(cursor.fetchall())
    none = ["content_hash", "embedding", "heading_path", "term_weights", "text"]
    assert found == sorted([*((name, 0) for name in none), ("terms", 10)] * 2)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(recycling, "MOST_TENANTS", 3)


@pytest.fixture
def tenants_by_level():
    return {level: new_tenants(3, level) for level in LEVELS}


@pytest.fixture
async def one_connection():
    await open_pool(size=1)
    yield
    await close_pool()


def backend_of(tenant):
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(BACKEND)
        return cursor.fetchone()[0]


async def async_backend_of(config):
    async with tenant_transaction(config) as session:
        return (await (await session.execute(BACKEND)).fetchone())["pid"]


@pytest.mark.parametrize("level", ["schema", "partition"])
def test_django_gets_a_new_backend_after_so_many_tenants(soon, tenants_by_level, level):
    first, second, third = tenants_by_level[level]
    connection.close()
    connection.close_pool()
    same = [backend_of(tenant) for tenant in (first, second, first, second, third)]
    assert len(set(same)) == 1
    assert backend_of(first) != same[0]


def test_tenants_that_share_their_tables_do_not_count(soon, tenants_by_level):
    connection.close()
    connection.close_pool()
    backends = {backend_of(tenant) for tenant in tenants_by_level["shared"] * 2}
    assert len(backends) == 1


def test_a_transaction_around_the_tenants_keeps_its_connection(soon, tenants_by_level):
    connection.close()
    with transaction.atomic():
        backends = {backend_of(tenant) for tenant in tenants_by_level["schema"] * 2}
    assert len(backends) == 1


def test_a_loop_over_all_tenants_goes_on_through_a_change_of_connection(soon, tenants_by_level):
    connection.close()
    connection.close_pool()
    wanted = [one.pk for level in ("schema", "partition") for one in tenants_by_level[level]]
    tenants = Tenant.objects.filter(pk__in=wanted).order_by("pk").iterator(chunk_size=1)
    backends = [backend_of(tenant) for tenant in tenants]
    assert len(backends) == 6
    assert backends[0] == backends[2] != backends[3] == backends[5]


@pytest.fixture
def configs(tenants_by_level):
    return {level: [tenant_config(one) for one in made] for level, made in tenants_by_level.items()}


async def test_the_async_pool_gets_a_new_backend_after_so_many_tenants(
    soon, configs, one_connection, caplog
):
    with caplog.at_level(logging.WARNING):
        backends = [await async_backend_of(one) for one in configs["schema"] * 2]
    assert backends[:3] == [backends[0]] * 3
    assert backends[3:] == [backends[3]] * 3
    assert backends[0] != backends[3]
    assert not caplog.records


async def test_a_transaction_that_fails_counts_as_well(soon, configs, one_connection):
    backends = []
    for config in configs["schema"] * 2:
        with pytest.raises(ZeroDivisionError):
            async with tenant_transaction(config) as session:
                backends += [(await (await session.execute(BACKEND)).fetchone())["pid"]]
                raise ZeroDivisionError
    assert len(set(backends[:3])) == len(set(backends[3:])) == 1
    assert backends[0] != backends[3]
