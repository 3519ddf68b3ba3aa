"""The same question again: one look into Redis, and one row that says whether it still holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.query import redis_store
from retrieval.query.cached_answer import CachedAnswer, read_cached
from tenants.redis_keys import tenant_key

if TYPE_CHECKING:
    from tenants.config import TenantConfig
    from tenants.pool import Connection

# An entry is known under one key for each set of access levels that its answer was proven for.
# They are kept beside it, so that a thumbs-down finds them all.
PUBLISH = """
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
redis.call('sadd', KEYS[2], KEYS[1])
redis.call('pexpire', KEYS[2], ARGV[2])
return 1
"""
IS_VALID = """
SELECT 1 FROM retrieval_cacheentry
WHERE id = %(id)s AND evicted_at IS NULL AND expires_at > now()
    AND created_at > now() - make_interval(mins => %(minutes)s)
"""


@dataclass(frozen=True, slots=True)
class Published:
    """An answer, and the revision of the documents at which it was last proven for these levels."""

    revision: int
    answer: CachedAnswer


async def find(tenant: TenantConfig, key: str) -> Published | None:
    found = await redis_store.get_bytes(answer_key(tenant.id, key))
    if found is None:
        return None
    try:
        stored = json.loads(found)
        return Published(stored["revision"], read_cached(stored["answer"]))
    except (ValueError, KeyError, TypeError):
        return None  # another version's


async def is_valid(connection: Connection, tenant: TenantConfig, entry_id: str) -> bool:
    values = {"id": entry_id, "minutes": tenant.query.cache_ttl_minutes}
    return await (await connection.execute(IS_VALID, values)).fetchone() is not None


async def publish(tenant: TenantConfig, key: str, published: Published, seconds: float) -> None:
    """Never fails: without it the next one finds the entry itself."""
    value = json.dumps({"revision": published.revision, "answer": published.answer.as_json()})
    keys = [answer_key(tenant.id, key), keys_of_entry(tenant.id, published.answer.entry_id)]
    milliseconds = max(1, int(seconds * 1000))
    await redis_store.run_script(PUBLISH, keys, [value.encode(), milliseconds])


def answer_key(tenant_id: int, key: str) -> str:
    return tenant_key(tenant_id, f"answer:{key}")


def keys_of_entry(tenant_id: int, entry_id: str) -> str:
    return tenant_key(tenant_id, f"answer-keys:{entry_id}")
