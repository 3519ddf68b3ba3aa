"""Kept answers end, and many of them are found as quickly as few."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ragadmin import schedules
from retrieval import tasks
from retrieval.indexing import cache_upkeep
from retrieval.models import CacheEntry
from tenants.context import tenant_context
from tenants.schema import owner
from tenants.services import create_tenant

HOUR = timedelta(hours=1)


def fill(tenant, count, *, expires=HOUR, **values):
    now = timezone.now()
    with tenant_context(tenant):
        CacheEntry.objects.bulk_create(
            CacheEntry(
                key=uuid.uuid4().hex,
                question=f"question {n}",
                embedding=[0.1, 0.2, float(n)],
                config_hash="any",
                access_levels=["public"],
                corpus_revision=1,
                context_fingerprint="any",
                context_levels=["public"],
                trace_id=uuid.uuid4(),
                expires_at=now + expires + timedelta(seconds=n),
                **values,
            )
            for n in range(count)
        )


def questions(tenant):
    with tenant_context(tenant):
        return set(CacheEntry.objects.values_list("question", flat=True))


def test_expired_entries_go_batch_by_batch_and_others_stay(tenant, monkeypatch):
    monkeypatch.setattr(cache_upkeep, "BATCH", 3)
    fill(tenant, 7, expires=-HOUR)
    fill(tenant, 2)
    assert cache_upkeep.purge(tenant) == 7
    assert cache_upkeep.count_entries(tenant) == 2


def test_a_wrong_pair_outlives_its_entry(tenant):
    fill(tenant, 1, expires=-HOUR, not_for=["pair"])
    assert cache_upkeep.purge(tenant) == 0


def test_beyond_the_most_a_tenant_may_keep_the_oldest_go(tenant, monkeypatch):
    monkeypatch.setattr(cache_upkeep, "MOST_ENTRIES", 4)
    monkeypatch.setattr(cache_upkeep, "BATCH", 2)
    fill(tenant, 9)
    assert cache_upkeep.purge(tenant) == 5
    assert questions(tenant) == {f"question {n}" for n in range(5, 9)}


@pytest.mark.parametrize("isolation", ["schema", "shared"])
def test_only_tenants_whose_schema_holds_entries_are_looked_at(isolation):
    slug = f"t-{uuid.uuid4().hex[:10]}"
    full = create_tenant(slug=slug, isolation=isolation)
    empty = create_tenant(slug=f"{slug}-empty")
    fill(full, 1)
    found = {tenant.pk for tenant in cache_upkeep.tenants_with_entries()}
    assert full.pk in found
    assert empty.pk not in found


def test_one_tenants_purge_leaves_another_of_the_same_pool_alone():
    slug = f"t-{uuid.uuid4().hex[:10]}"
    one, other = (create_tenant(slug=f"{slug}-{n}", isolation="shared") for n in range(2))
    fill(one, 2, expires=-HOUR)
    fill(other, 2, expires=-HOUR)
    assert cache_upkeep.purge(one) == 2
    assert cache_upkeep.count_entries(other) == 2


def test_the_beat_task_purges(tenant):
    fill(tenant, 2, expires=-HOUR)
    tasks.tend_caches()
    assert cache_upkeep.count_entries(tenant) == 0
    assert "retrieval.tasks.tend_caches" in {each.task for each in schedules.SCHEDULES}


def has_index(tenant):
    with owner().cursor() as cursor:
        name = f'"{tenant.schema_name}".{cache_upkeep.index_name(tenant)}'
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        return cursor.fetchone()[0]


def test_many_entries_get_an_index_which_goes_when_they_do(tenant, monkeypatch):
    monkeypatch.setattr(cache_upkeep, "INDEX_FROM", 10)
    tenant.embedding_dimension = 3
    fill(tenant, 9)
    cache_upkeep.tend_index(tenant)
    assert not has_index(tenant)
    fill(tenant, 9)
    cache_upkeep.tend_index(tenant)
    assert has_index(tenant)
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute("DELETE FROM retrieval_cacheentry WHERE question <> 'question 1'")
    cache_upkeep.tend_index(tenant)
    assert not has_index(tenant)
