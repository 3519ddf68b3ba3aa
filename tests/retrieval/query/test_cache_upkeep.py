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
from retrieval.query import semantic_cache
from tenants.context import tenant_context
from tenants.moving.request import move_tenant
from tenants.removal import remove_tenant
from tenants.schema import owner
from tenants.services import create_tenant

HOUR = timedelta(hours=1)


def fill(tenant, count, *, expires=HOUR, dimension=3, **values):
    now = timezone.now()
    with tenant_context(tenant):
        CacheEntry.objects.bulk_create(
            CacheEntry(
                key=uuid.uuid4().hex,
                question=f"question {n}",
                embedding=[0.1, *[0.2] * (dimension - 2), float(n)],
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


def test_after_a_change_of_model_answers_are_kept_beside_the_old_index_and_get_their_own(
    tenant, monkeypatch
):
    monkeypatch.setattr(cache_upkeep, "INDEX_FROM", 10)
    tenant.embedding_dimension = 3
    fill(tenant, 12)
    cache_upkeep.tend_index(tenant)
    old = index_names(tenant)
    fill(tenant, 12, dimension=5)
    tenant.embedding_dimension = 5
    cache_upkeep.tend_index(tenant)
    assert has_index(tenant)
    assert len(old) == len(index_names(tenant)) == 1
    assert not old & index_names(tenant)


def test_the_nearest_of_many_kept_questions_are_found_in_the_index(tenant):
    tenant.embedding_dimension = 3
    fill(tenant, cache_upkeep.INDEX_FROM)
    cache_upkeep.tend_index(tenant)
    statement = semantic_cache.nearest_statement(3, indexed=True)
    values = {"config": "any", "levels": ["public"], "minutes": 60, "furthest": 0.1}
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN {statement.replace('{tenant}', str(tenant.pk))}",
            values | {"vector": "[0.1,0.2,7]"},
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert cache_upkeep.index_name(tenant) in plan


@pytest.mark.parametrize("leave", ["move", "delete"])
def test_index_of_kept_questions_leaves_the_pool_with_its_tenant(monkeypatch, leave):
    monkeypatch.setattr(cache_upkeep, "INDEX_FROM", 10)
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation="shared")
    tenant.embedding_dimension = 3
    fill(tenant, 12)
    cache_upkeep.tend_index(tenant)
    assert index_names(tenant)
    if leave == "move":
        move_tenant(tenant=tenant, to="schema")
    else:
        remove_tenant(tenant=tenant, actor=None)
    assert not index_names(tenant)


def index_names(tenant):
    """Wherever they are."""
    with owner().cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE indexname LIKE %s",
            [f"cache_hnsw_{tenant.pk}_%"],
        )
        return {name for (name,) in cursor.fetchall()}
