"""A process keeps what it looked up until somebody changes it, and no longer than two seconds after."""

from __future__ import annotations

import time

import pytest
from asgiref.sync import sync_to_async

from ragadmin.errors import NotAuthenticated, PermissionDenied
from tenants import resolve, revision
from tenants.keys import create_api_key, revoke_api_key
from tenants.models import ApiKey, Tenant
from tenants.pool import close_pool
from tenants.revision import FreshValues
from tenants.secrets import hash_key


@pytest.fixture
async def pool():
    yield
    await close_pool()


@pytest.fixture
def key(tenant):
    return create_api_key(tenant=tenant, name="test", scopes=["query"])[1]


def age(key, seconds):
    """As if it had been looked up that long ago."""
    callers = resolve._callers._kept
    kept = callers[("key", hash_key(key))]
    callers[("key", hash_key(key))] = revision.Kept(kept.future, kept.revision, kept.at - seconds)


async def test_a_steady_stream_of_callers_costs_no_look_up(pool):
    loads = 0

    async def load():
        nonlocal loads
        loads += 1
        return loads

    values = FreshValues()
    await revision.look()
    assert [await values.get("key", load) for _ in range(3)] == [1, 1, 1]
    kept = values._kept["key"]
    values._kept["key"] = revision.Kept(kept.future, kept.revision, kept.at - 30)
    await revision.look()
    assert await values.get("key", load) == 1
    values._kept["key"] = revision.Kept(kept.future, kept.revision, kept.at - 61)
    assert await values.get("key", load) == 2


async def test_a_revoked_key_is_refused_after_the_next_look(pool, key):
    await revision.look()
    await resolve.caller_for_key(key)
    row = await ApiKey.objects.aget(key_hash=hash_key(key))
    await sync_to_async(revoke_api_key)(row, actor=None)
    age(key, 2)
    await revision.look()
    with pytest.raises(NotAuthenticated):
        await resolve.caller_for_key(key)


async def test_a_changed_setting_and_a_suspension_are_seen(pool, tenant, key):
    await revision.look()
    assert (await resolve.caller_for_key(key)).tenant.top_k == 5
    await Tenant.objects.filter(pk=tenant.pk).aupdate(top_k=9)
    age(key, 2)
    await revision.look()
    assert (await resolve.caller_for_key(key)).tenant.top_k == 9
    await Tenant.objects.filter(pk=tenant.pk).aupdate(status="suspended")
    age(key, 2)
    await revision.look()
    with pytest.raises(PermissionDenied):
        await resolve.caller_for_key(key)


async def test_what_changes_all_the_time_changes_no_configuration(pool, tenant, key):
    await revision.look()
    before = revision.seen.revision
    await Tenant.objects.filter(pk=tenant.pk).aupdate(corpus_revision=7)
    await ApiKey.objects.filter(key_hash=hash_key(key)).aupdate(last_used_at=None)
    await revision.look()
    assert revision.seen.revision == before


async def test_a_process_that_cannot_look_trusts_nothing_old(pool, key):
    await revision.look()
    await resolve.caller_for_key(key)
    first = resolve._callers._kept[("key", hash_key(key))]
    age(key, 5)
    revision.seen.at = time.monotonic() - 3
    await resolve.caller_for_key(key)
    assert resolve._callers._kept[("key", hash_key(key))].future is not first.future
