"""No minute has more questions than the key and the tenant may ask, with Redis or without."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from ragadmin.errors import RateLimited
from retrieval.query import limits, redis_store
from tests.retrieval.query.budgets import asker


@pytest.fixture(autouse=True)
async def _loop(loop_resources):
    yield


@pytest.fixture
def person(tenant):
    return asker(tenant)


@pytest.fixture
def short_window(monkeypatch):
    monkeypatch.setattr(limits, "WINDOW_SECONDS", 1.0)


def limited(caller, *, tenant=None, key=None, key_id="k1"):
    config = replace(caller.tenant, questions_per_minute=tenant)
    return replace(
        caller, tenant=config, label="site (rag-x…)", api_key_id=key_id, questions_per_minute=key
    )


def forget_own(monkeypatch):
    """As another process, which has let nobody through yet."""
    monkeypatch.setattr(limits, "_own", limits.Windows())


async def ask(caller, times):
    """How many of so many at once were let through, and what the others were told."""
    told = await asyncio.gather(
        *(limits.admit(caller) for _ in range(times)), return_exceptions=True
    )
    refused = [each for each in told if isinstance(each, RateLimited)]
    assert len(refused) == sum(isinstance(each, BaseException) for each in told)
    return times - len(refused), refused


async def test_without_a_limit_redis_is_not_asked(person, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert await limits.admit(person) is None
    assert not redis_store.is_down(), "a call would have failed"


async def test_of_a_thousand_at_once_the_allowed_number_passes(person):
    passed, refused = await ask(limited(person, key=60), 1000)
    assert passed == 60
    error = refused[0]
    assert (error.status, error.code) == (429, "rate_limited")
    assert "The key site (rag-x…) may ask 60 questions a minute" in error.message
    assert 1 <= int(error.headers["Retry-After"]) <= 60


async def test_the_tenants_limit_is_over_all_its_keys(person):
    first = limited(person, tenant=10, key=8, key_id="one")
    second = limited(person, tenant=10, key=8, key_id="two")
    assert (await ask(first, 20))[0] == 8
    passed, refused = await ask(second, 20)
    assert passed == 2
    assert f"The tenant {person.tenant.slug} may ask 10" in refused[0].message


async def test_what_a_key_may_not_ask_does_not_count_for_the_tenant(person):
    await ask(limited(person, tenant=10, key=1), 50)
    assert (await ask(limited(person, tenant=10), 50))[0] == 9


async def test_the_processes_count_together(person, monkeypatch):
    caller = limited(person, tenant=10)
    assert (await ask(caller, 6))[0] == 6
    forget_own(monkeypatch)
    assert (await ask(caller, 6))[0] == 4


async def test_any_minute_has_no_more_than_the_limit(person, short_window):
    caller, passed = limited(person, tenant=5), []
    while len(passed) < 16:
        before = time.monotonic()
        try:
            await limits.admit(caller)
            passed.append((before, time.monotonic()))
        except RateLimited:
            await asyncio.sleep(0.01)
    for (first, _), (_, sixth) in zip(passed, passed[5:], strict=False):
        assert sixth - first >= 1.0, "the length of the shortened window"


async def test_another_tenant_has_its_own(person):
    other = replace(person, tenant=replace(person.tenant, id=person.tenant.id + 10**6))
    assert (await ask(limited(person, tenant=3), 9))[0] == 3
    assert (await ask(limited(other, tenant=3), 9))[0] == 3


async def test_a_raised_limit_lets_more_through_at_once(person):
    assert (await ask(limited(person, tenant=3), 9))[0] == 3
    assert (await ask(limited(person, tenant=5), 9))[0] == 2


async def test_a_lowered_limit_counts_what_was_asked_before(person):
    assert (await ask(limited(person, tenant=5), 4))[0] == 4
    assert (await ask(limited(person, tenant=2), 9))[0] == 0


async def test_while_redis_is_away_each_process_keeps_the_limit_itself(person, own_redis):
    caller = limited(person, tenant=10)
    assert (await ask(caller, 4))[0] == 4
    own_redis.kill()
    passed, refused = await ask(caller, 20)
    assert passed == 6
    assert refused[0].code == "rate_limited"


async def test_what_is_left_is_told(person):
    caller = limited(person, tenant=100, key=3)
    told = [(await limits.admit(caller)).headers for _ in range(2)]
    assert told[-1] == {"x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": "1"}
