"""What became of the questions that a caller asked."""

from __future__ import annotations

from dataclasses import replace

from asgiref.sync import sync_to_async

from retrieval.models import CacheEntry, QueryTrace
from retrieval.query.redis_store import close_redis
from tenants.access import tenant_config
from tenants.context import tenant_context
from tenants.redis_keys import delete_keys


@sync_to_async
def traces(caller):
    with tenant_context(caller.tenant):
        return list(QueryTrace.objects.order_by("created_at"))


async def model_calls(caller):
    """Of all that were asked so far: how often a model was."""
    return sum(
        call["kind"] == "generation" for trace in await traces(caller) for call in trace.calls
    )


@sync_to_async
def entries(caller):
    with tenant_context(caller.tenant):
        return list(CacheEntry.objects.order_by("created_at"))


@sync_to_async
def change_entries(caller, **values):
    with tenant_context(caller.tenant):
        CacheEntry.objects.update(**values)


async def forget_redis(caller):
    await sync_to_async(delete_keys)(caller.tenant.id)
    await close_redis()


async def refreshed(caller, tenant):
    """The same caller with the tenant's configuration as it is now."""
    config = await sync_to_async(tenant_config)(tenant)
    return replace(caller, tenant=replace(config, endpoint=caller.tenant.endpoint))
