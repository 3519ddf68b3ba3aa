"""Signs of life of the worker and beat, kept in Redis where every process sees them."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import lru_cache

import redis
from django.conf import settings

KEY = "ragadmin:heartbeats"
# The worker beats every 2 seconds, beat with each task it sends: at least every 5.
ALIVE_SECONDS = 20
FORGOTTEN_SECONDS = 24 * 3600


@lru_cache(maxsize=1)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_connect_timeout=2, socket_timeout=2, decode_responses=True
    )


def note_life(role: str, name: str) -> None:
    """A sign that cannot be given must not stop the one who gives it."""
    with suppress(redis.RedisError):
        _client(settings.REDIS_URL).hset(KEY, f"{role} {name}", repr(time.time()))


def seconds_since_life(role: str) -> dict[str, float]:
    """Name to age of each process of this role seen within a day. Raises redis.RedisError."""
    client = _client(settings.REDIS_URL)
    noted = client.hgetall(KEY)
    assert isinstance(noted, dict)
    now, ages = time.time(), {}
    for field, at in noted.items():
        found, _, name = str(field).partition(" ")
        age = now - float(at)
        if age > FORGOTTEN_SECONDS:
            client.hdel(KEY, field)
        elif found == role:
            ages[name] = age
    return ages
