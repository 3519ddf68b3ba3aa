"""The hot path's one way to Redis, which it can always do without.

No call raises or waits long: while Redis is away it is as if nothing were kept there. After a
failure it is left alone for REST_SECONDS, so that an outage costs one wait and not one a question.
Keys come from tenants.redis_keys.tenant_key, values are bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from retrieval.providers.per_loop import PerLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

log = structlog.get_logger("ragadmin.redis")

# A quarter of a second, in ticks of the event loop's own clock: a loop that is late by itself ticks
# late, and does not take Redis for away.
TICK_SECONDS, PATIENCE_TICKS = 0.05, 5
REST_SECONDS = 2.0
# Redis answers one command at a time; the others wait here.
MOST_CONNECTIONS = 8
RENEW = "return redis.call('get',KEYS[1])==ARGV[1] and redis.call('pexpire',KEYS[1],ARGV[2]) or 0"
RELEASE = "return redis.call('get',KEYS[1])==ARGV[1] and redis.call('del',KEYS[1]) or 0"


class _Patience:
    """Ends calls that have waited for so many ticks."""

    def __init__(self) -> None:
        self._left: dict[asyncio.Timeout, int] = {}
        self._is_ticking = False

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raises TimeoutError."""
        async with asyncio.timeout(None) as deadline:
            self._left[deadline] = PATIENCE_TICKS
            if not self._is_ticking:
                self._tick_later()
            try:
                yield
            finally:
                del self._left[deadline]

    def _tick_later(self) -> None:
        self._is_ticking = bool(self._left)
        if self._is_ticking:
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        for deadline, left in self._left.items():
            self._left[deadline] = left - 1
            if left == 1:
                deadline.reschedule(0)
        self._tick_later()


class _Link:
    """One event loop's connections, and until when Redis is left alone."""

    def __init__(self) -> None:
        self.url = settings.REDIS_URL
        self.away_until = 0.0
        self.turns = asyncio.Semaphore(MOST_CONNECTIONS)
        self.patience = _Patience()
        self.client = Redis.from_pool(
            ConnectionPool.from_url(
                self.url,
                max_connections=MOST_CONNECTIONS,
                socket_timeout=None,
                socket_connect_timeout=None,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        )

    @property
    def is_away(self) -> bool:
        return time.monotonic() < self.away_until

    def leave_alone(self, error: Exception) -> None:
        if not self.is_away:
            log.warning("redis_away", reason=type(error).__name__, seconds=REST_SECONDS)
        self.away_until = time.monotonic() + REST_SECONDS


_links: PerLoop[_Link] = PerLoop(_Link)


def is_down() -> bool:
    """Whether the last call failed and Redis is left alone: what it holds is done without."""
    return _links.get().is_away


async def get_bytes(key: str) -> bytes | None:
    """None if it is not there, or Redis is not."""
    return await _try(lambda client: client.get(key))


async def get_many(keys: Sequence[str]) -> list[bytes | None]:
    """In the order of `keys`, in one round trip."""
    found = await _try(lambda client: client.mget(keys)) if keys else None
    return list(found) if found is not None else [None] * len(keys)


async def set_bytes(key: str, value: bytes, seconds: float) -> bool:
    """Whether it is kept now, for so many seconds."""
    return bool(await _try(lambda client: client.set(key, value, px=_milliseconds(seconds))))


async def set_many(values: Mapping[str, bytes], seconds: float) -> bool:
    """Whether all are kept now. One round trip."""

    async def write(client: Redis) -> bool:
        async with client.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(key, value, px=_milliseconds(seconds))
            await pipeline.execute()
        return True

    return bool(await _try(write))


async def delete(*keys: str) -> bool:
    """Whether they are gone now, also if they were not there."""
    return not keys or await _try(lambda client: client.unlink(*keys)) is not None


async def run_script(script: str, keys: Sequence[str], arguments: Sequence[Any] = ()) -> Any:
    """What the Lua script returns; None if Redis is away, so let it never return nil."""

    async def run(client: Redis) -> Any:
        values = [*keys, *arguments]
        try:
            return await client.evalsha(_sha(script), len(keys), *values)
        except NoScriptError:
            return await client.eval(script, len(keys), *values)

    return await _try(run)


async def acquire_lease(key: str, token: str, seconds: float) -> bool | None:
    """True if it is ours now, False if somebody has it, None if Redis is away."""

    async def acquire(client: Redis) -> bool:
        return bool(await client.set(key, token, px=_milliseconds(seconds), nx=True))

    return await _try(acquire)


async def renew_lease(key: str, token: str, seconds: float) -> bool:
    """Whether it is still ours."""
    return bool(await run_script(RENEW, [key], [token, _milliseconds(seconds)]))


async def release_lease(key: str, token: str) -> None:
    """Gives it back if it is still ours."""
    await run_script(RELEASE, [key], [token])


async def close_redis() -> None:
    """Closes this event loop's connections."""
    link = _links.forget()
    if link is not None:
        await link.client.aclose(close_connection_pool=True)


async def _try(call: Callable[[Redis], Awaitable[Any]]) -> Any:
    link = await _link()
    if link.is_away:
        return None
    try:
        async with link.turns:
            if link.is_away:
                return None
            async with link.patience.limit():
                return await call(link.client)
    except ResponseError as error:  # it is there and refuses: full, or another kind of value
        log.warning("redis_refused", reason=str(error).split(" ", 1)[0])
    except (TimeoutError, RedisError, OSError) as error:
        link.leave_alone(error)
    return None


async def _link() -> _Link:
    link = _links.get()
    if link.url != settings.REDIS_URL:
        await close_redis()
        link = _links.get()
    return link


@cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
