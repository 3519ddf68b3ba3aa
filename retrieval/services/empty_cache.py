"""All of a tenant's kept answers given up at once, by a person's wish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis
from django.utils import timezone

from retrieval.models import CacheEntry
from tenants import redis_keys
from tenants.audit import record_event

if TYPE_CHECKING:
    from tenants.models import Tenant, User

# What Redis holds of answers. Vectors of questions stay: they cannot be out of date.
ANSWERS, PROMPTS = "answer", "llm:"


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """`prompts` None: Redis is away, and what it holds cannot be counted or given up."""

    entries: int
    prompts: int | None


def count_cache(tenant: Tenant) -> CacheCounts:
    """With the tenant in force."""
    live = CacheEntry.objects.filter(evicted_at=None, expires_at__gt=timezone.now()).count()
    try:
        return CacheCounts(live, redis_keys.count_keys(tenant.pk, PROMPTS))
    except redis.RedisError:
        return CacheCounts(live, None)


def empty_cache(*, tenant: Tenant, actor: User | str | None) -> CacheCounts:
    """What was given up. Pairs of questions that were called wrong stay known.

    Postgres decides what is served, so that a Redis that is away cannot keep an answer alive.
    """
    counts = count_cache(tenant)
    CacheEntry.objects.filter(evicted_at=None).update(evicted_at=timezone.now())
    try:
        for begin in (ANSWERS, PROMPTS):
            redis_keys.delete_keys(tenant.pk, begin)
    except redis.RedisError:
        counts = CacheCounts(counts.entries, None)
    record_event(
        "cache.emptied",
        actor=actor,
        tenant=tenant,
        target=tenant.slug,
        entries=counts.entries,
        prompts=counts.prompts,
    )
    return counts
