"""What the hot path keeps in Redis, and that it goes on without it."""

from __future__ import annotations

import asyncio
import signal

from retrieval.query import redis_store

TAKE_TURN = "return redis.call('incrby', KEYS[1], ARGV[1])"


async def test_bytes_come_back_as_they_were_until_they_are_deleted(loop_resources):
    value = bytes(range(256))
    assert await redis_store.set_bytes("test:bytes", value, 60)
    assert await redis_store.get_bytes("test:bytes") == value
    assert await redis_store.delete("test:bytes")
    assert await redis_store.get_bytes("test:bytes") is None
    assert not redis_store.is_down()


async def test_many_values_go_and_come_in_one_round_trip_each(loop_resources):
    assert await redis_store.set_many({"test:a": b"1", "test:b": b"2"}, 60)
    assert await redis_store.get_many(["test:b", "test:none", "test:a"]) == [b"2", None, b"1"]
    assert await redis_store.get_many([]) == []


async def test_what_is_kept_ends_by_itself(loop_resources):
    await redis_store.set_bytes("test:short", b"x", 0.02)
    await asyncio.sleep(0.05)
    assert await redis_store.get_bytes("test:short") is None


async def test_a_script_runs_on_a_server_that_has_not_seen_it(own_redis):
    assert await redis_store.run_script(TAKE_TURN, ["test:turn"], [2]) == 2
    assert await redis_store.run_script(TAKE_TURN, ["test:turn"], [3]) == 5


async def test_a_lease_has_one_holder_who_alone_can_keep_or_end_it(loop_resources):
    key = "test:lease"
    assert await redis_store.acquire_lease(key, "one", 5) is True
    assert await redis_store.acquire_lease(key, "two", 5) is False
    assert await redis_store.renew_lease(key, "one", 5)
    assert not await redis_store.renew_lease(key, "two", 5)
    await redis_store.release_lease(key, "two")
    assert await redis_store.acquire_lease(key, "two", 5) is False
    await redis_store.release_lease(key, "one")
    assert await redis_store.acquire_lease(key, "two", 5) is True
    await redis_store.release_lease(key, "two")


async def test_a_killed_server_is_as_if_nothing_were_kept(own_redis):
    await redis_store.set_bytes("test:key", b"x", 60)
    own_redis.kill()
    assert await redis_store.get_bytes("test:key") is None
    assert redis_store.is_down()
    assert await redis_store.get_many(["test:key"]) == [None]
    assert not await redis_store.set_bytes("test:key", b"y", 60)
    assert not await redis_store.delete("test:key")
    assert await redis_store.run_script(TAKE_TURN, ["test:turn"], [1]) is None
    assert await redis_store.acquire_lease("test:lease", "one", 5) is None


async def test_a_server_that_came_back_is_used_again_without_a_restart(own_redis, monkeypatch):
    monkeypatch.setattr(redis_store, "REST_SECONDS", 0.05)
    await redis_store.set_bytes("test:key", b"x", 60)
    own_redis.kill()
    assert await redis_store.get_bytes("test:key") is None
    own_redis.start()
    await asyncio.sleep(0.06)
    assert await redis_store.set_bytes("test:key", b"new", 60)
    assert await redis_store.get_bytes("test:key") == b"new"


async def test_a_server_that_hangs_costs_one_wait_and_not_one_a_question(own_redis):
    assert await redis_store.set_bytes("test:key", b"x", 60)
    own_redis.process.send_signal(signal.SIGSTOP)
    assert await redis_store.get_bytes("test:key") is None
    assert redis_store.is_down()
    # Not even a task switch: nothing is waited for while it is left alone.
    left_alone = redis_store.get_bytes("test:key")
    try:
        left_alone.send(None)
    except StopIteration as ended:
        assert ended.value is None
    else:
        raise AssertionError("it was asked again at once")
    own_redis.process.send_signal(signal.SIGCONT)


async def test_a_refused_command_does_not_make_the_server_look_away(loop_resources):
    await redis_store.set_bytes("test:text", b"words", 60)
    assert await redis_store.run_script(TAKE_TURN, ["test:text"], [1]) is None
    assert not redis_store.is_down()


async def test_more_calls_at_once_than_connections_all_succeed(loop_resources):
    await redis_store.set_bytes("test:key", b"x", 60)
    found = await asyncio.gather(*[redis_store.get_bytes("test:key") for _ in range(300)])
    assert found == [b"x"] * 300
