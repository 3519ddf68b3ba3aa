"""Names of what is kept in Redis for a tenant: all below its id, so that they go with the tenant."""

from __future__ import annotations

import redis
from django.conf import settings

PREFIX = "ragadmin:tenant:{}:"
BATCH = 1_000


def tenant_key(tenant_id: int, name: str) -> str:
    return PREFIX.format(tenant_id) + name


def count_keys(tenant_id: int, begin: str = "") -> int:
    """Those whose names begin so. Raises redis.RedisError, as all of these do."""
    with redis_client() as client:
        return sum(1 for _ in _scan(client, tenant_id, begin))


def delete_keys(tenant_id: int, begin: str = "") -> None:
    with redis_client() as client:
        batch: list[bytes] = []
        for key in _scan(client, tenant_id, begin):
            batch.append(key)
            if len(batch) == BATCH:
                client.unlink(*batch)
                batch = []
        if batch:
            client.unlink(*batch)


def _scan(client: redis.Redis, tenant_id: int, begin: str):  # noqa: ANN202
    return client.scan_iter(match=PREFIX.format(tenant_id) + begin + "*", count=BATCH)


def redis_client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=10)
