"""How many questions a minute a key and a tenant may ask.

A sliding window: the last `limit` questions are noted, and one more may be asked when the oldest of
them is a minute old. So no minute ever has more, wherever it begins. Redis keeps the notes for all
processes; each process keeps its own besides, and goes by those while Redis is away.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragadmin.errors import RateLimited
from retrieval.providers.per_loop import PerLoop
from retrieval.query import redis_store
from tenants.redis_keys import tenant_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.config import Caller

WINDOW_SECONDS = 60.0
MOST_WINDOWS = 10_000
MOST_AT_ONCE = 8
# KEYS are the windows and ARGV their limits, then the window in microseconds. Gives the number of the
# window that is full and the microseconds until it has room (0 and 0: admitted), then what is left of
# each window.
ADMIT = """
local time = redis.call('TIME')
local now, window = time[1] * 1000000 + time[2], tonumber(ARGV[#ARGV])
local full, wait = 0, 0
for i, key in ipairs(KEYS) do
    local oldest = redis.call('LINDEX', key, ARGV[i] - 1)
    if oldest and oldest + window - now > wait then
        full, wait = i, oldest + window - now
    end
end
local answer = {full, wait}
for i, key in ipairs(KEYS) do
    if full == 0 then
        redis.call('LPUSH', key, string.format('%.0f', now))
        redis.call('LTRIM', key, 0, ARGV[i] - 1)
        redis.call('PEXPIRE', key, math.ceil(window / 1000))
    end
    local used = math.min(redis.call('LLEN', key), tonumber(ARGV[i]))
    answer[i + 2] = ARGV[i] - used
end
return answer
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`whose` is as the one who asks is told; `key` names its window in Redis."""

    key: str
    whose: str
    most: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of the limit with the least left."""

    limit: int
    remaining: int

    @property
    def headers(self) -> dict[str, str]:
        """As OpenAI's own routes name them."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
        }


class Windows:
    """What this process knows, in seconds of its clock: questions it let through, and refusals."""

    def __init__(self) -> None:
        self._noted: OrderedDict[str, deque[float]] = OrderedDict()
        self._full_until: dict[Limit, float] = {}

    def wait(self, limit: Limit, now: float) -> float:
        """Seconds until one more may be asked; 0 or less: now."""
        noted = self._noted.get(limit.key, ())
        own = noted[-limit.most] + WINDOW_SECONDS - now if len(noted) >= limit.most else 0.0
        return max(own, self._full_until.get(limit, now) - now)

    def note(self, limit: Limit, now: float) -> None:
        noted = self._noted.pop(limit.key, None)
        if noted is None or noted.maxlen != limit.most:
            noted = deque(noted or (), maxlen=limit.most)
        noted.append(now)
        self._noted[limit.key] = noted
        if len(self._noted) > MOST_WINDOWS:
            self._noted.popitem(last=False)

    def note_full(self, limit: Limit, until: float) -> None:
        if len(self._full_until) >= MOST_WINDOWS:
            self._full_until.clear()
        self._full_until[limit] = until

    def left(self, limit: Limit, now: float) -> int:
        noted = self._noted.get(limit.key, ())
        return limit.most - sum(now - at < WINDOW_SECONDS for at in noted)


_own = Windows()
# In a flood most wait here, and know from the first refusal that they need not ask.
_gates: PerLoop[asyncio.Semaphore] = PerLoop(lambda: asyncio.Semaphore(MOST_AT_ONCE))


async def admit(caller: Caller) -> Allowance | None:
    """Counts one question. None: there is no limit, and nobody was asked. Raises RateLimited."""
    limits = limits_of(caller)
    if not limits:
        return None
    async with _gates.get():
        now = time.monotonic()
        _refuse_if_full(limits, now)
        left = await _ask_redis(limits, now)
        if left is None:
            now = time.monotonic()
            _refuse_if_full(limits, now)
            left = [_own.left(limit, now) - 1 for limit in limits]
        for limit in limits:
            _own.note(limit, now)
    most = (limit.most for limit in limits)
    return min(map(Allowance, most, left), key=lambda each: each.remaining)


async def _ask_redis(limits: Sequence[Limit], now: float) -> list[int] | None:
    """What is left of each, this one counted. None: Redis is away. Raises RateLimited."""
    keys = [limit.key for limit in limits]
    values = [*(limit.most for limit in limits), round(WINDOW_SECONDS * 1_000_000)]
    answer = await redis_store.run_script(ADMIT, keys, values)
    if answer is None:
        return None
    full, wait, *left = answer
    if full:
        limit = limits[full - 1]
        _own.note_full(limit, now + wait / 1_000_000)
        raise refused(limit, wait / 1_000_000)
    return left


def limits_of(caller: Caller) -> list[Limit]:
    tenant, found = caller.tenant, []
    if caller.questions_per_minute and caller.api_key_id:
        key = tenant_key(tenant.id, f"limit:key:{caller.api_key_id}")
        found.append(Limit(key, f"The key {caller.label}", caller.questions_per_minute))
    if tenant.questions_per_minute:
        key = tenant_key(tenant.id, "limit:tenant")
        found.append(Limit(key, f"The tenant {tenant.slug}", tenant.questions_per_minute))
    return found


def _refuse_if_full(limits: Sequence[Limit], now: float) -> None:
    wait, limit = max(((_own.wait(each, now), each) for each in limits), key=lambda pair: pair[0])
    if wait > 0:
        raise refused(limit, wait)


def refused(limit: Limit, wait: float) -> RateLimited:
    seconds = max(1, math.ceil(wait))
    questions = "question" if limit.most == 1 else "questions"
    return RateLimited(
        f"{limit.whose} may ask {limit.most:,} {questions} a minute, and did: ask again in "
        f"{seconds} s, or have an admin of the tenant raise the limit.",
        extra={"limit": limit.most, "per_seconds": 60, "retry_after_seconds": seconds},
    )
