"""Kept answers that a rating takes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
import structlog
from django.db import transaction
from django.utils import timezone

from retrieval.models import CacheEntry, QueryTrace
from retrieval.query.config_hash import pair_hash
from retrieval.query.exact_cache import keys_of_entry
from retrieval.query.llm_cache import reply_key
from tenants.context import current_tenant
from tenants.redis_keys import redis_client

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

log = structlog.get_logger(__name__)


def evict_answer(trace: QueryTrace) -> None:
    """The entry that the answer came from or made is served no more, to nobody.

    Where it was given to another question, the two are never taken for each other again. With the
    tenant in force.
    """
    entry = _lock_entry(trace)
    tenant_id, replies = current_tenant().id, _requests(trace, entry)
    transaction.on_commit(lambda: _forget_replies(tenant_id, replies))
    if entry is None:
        return
    entry.evicted_at = entry.evicted_at or timezone.now()
    pair = _pair(trace, entry)
    if pair and pair not in entry.not_for:
        entry.not_for.append(pair)
    entry.save(update_fields=["evicted_at", "not_for"])
    transaction.on_commit(lambda: _forget(tenant_id, entry.id))


def allow_answer(trace: QueryTrace) -> None:
    """The rating was taken back: the two questions may be taken for each other again. The entry
    stays away until somebody asks anew."""
    entry = _lock_entry(trace)
    if entry is not None and (pair := _pair(trace, entry)) in entry.not_for:
        entry.not_for.remove(pair)
        entry.save(update_fields=["not_for"])


def _lock_entry(trace: QueryTrace) -> CacheEntry | None:
    if trace.cache_entry_id is None:
        return None
    return CacheEntry.objects.select_for_update().filter(pk=trace.cache_entry_id).first()


def _requests(trace: QueryTrace, entry: CacheEntry | None) -> list[str]:
    """What models were asked for the answer, here or when it was made: as the LLM cache names it."""
    made = QueryTrace.objects.filter(pk=entry.trace_id).first() if entry else None
    spans = [span for one in (trace, made) if one for span in one.spans]
    return [span["request"] for span in spans if span.get("what") == "llm" and "request" in span]


def _forget_replies(tenant_id: int, requests: Sequence[str]) -> None:
    """Or the model's reply would come back, word for word."""
    if not requests:
        return
    try:
        with redis_client() as client:
            client.unlink(*(reply_key(tenant_id, request) for request in requests))
    except redis.RedisError as error:
        log.warning("model reply left in Redis", reason=type(error).__name__)


def _pair(trace: QueryTrace, entry: CacheEntry) -> str:
    if trace.cache != "semantic":
        return ""
    return pair_hash(trace.standalone_question or trace.question, entry.question)


def _forget(tenant_id: int, entry_id: UUID) -> None:
    """Only tidies up: the entry's row says that it is evicted."""
    name = keys_of_entry(tenant_id, str(entry_id))
    try:
        with redis_client() as client:
            keys = client.smembers(name)
            client.unlink(name, *keys)
    except redis.RedisError as error:
        log.warning("evicted answer left in Redis", reason=type(error).__name__)
