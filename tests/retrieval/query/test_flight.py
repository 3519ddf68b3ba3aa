"""Many who ask the same at once cost one answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings

from retrieval.events import TokenAdded
from retrieval.query import flight
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest
from tests.ragadmin.running import PROJECT_DIR
from tests.retrieval.query.asking import QUESTION, answered, changed
from tests.retrieval.query.conftest import with_model
from tests.retrieval.query.kept_answers import entries, model_calls, traces

pytestmark = pytest.mark.usefixtures("loop_resources")


@pytest.fixture
def slow(asker, mock_url):
    """Half a second to the first word, a second to the last."""
    return with_model(asker, mock_url, "mock-500-10-50")


async def test_fifty_at_once_are_one_call_of_the_model(slow):
    answers = await asyncio.gather(*[answered(slow) for _ in range(50)])
    assert await model_calls(slow) == 1
    assert len({one["answer"] for one in answers}) == 1
    assert sorted(one["cache"] for one in answers) == ["exact"] * 49 + ["none"]
    assert len(await traces(slow)) == 50


async def test_without_redis_it_holds_within_the_process(slow, own_redis):
    own_redis.kill()
    answers = await asyncio.gather(*[answered(slow) for _ in range(20)])
    assert await model_calls(slow) == 1
    assert sorted(one["cache"] for one in answers) == ["exact"] * 19 + ["none"]


async def test_a_leader_who_leaves_passes_the_lead_on(slow):
    leading = answer(slow, AnswerRequest(QUESTION))
    async with contextlib.aclosing(leading):
        async for event in leading:
            if isinstance(event, TokenAdded):
                break
        others = [asyncio.create_task(answered(slow)) for _ in range(5)]
        await asyncio.sleep(0.3)
        assert not any(other.done() for other in others)
    answers = await asyncio.gather(*others)
    assert sorted(one["cache"] for one in answers) == ["exact"] * 4 + ["none"]
    assert await model_calls(slow) == 2, "the one that was broken off, and one more"


async def test_one_who_waits_may_leave_too(slow):
    asking = [asyncio.create_task(answered(slow)) for _ in range(6)]
    await asyncio.sleep(0.3)
    asking[0].cancel()
    asking[1].cancel()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    answers = [one for one in ended if isinstance(one, dict)]
    assert len(answers) == 4
    assert len({one["answer"] for one in answers}) == 1
    assert len(await entries(slow)) == 1


async def test_an_answer_that_cannot_be_kept_does_not_make_others_wait_in_line(slow):
    """They are asked side by side: the whole takes two turns, not one for each."""
    begin = time.monotonic()
    question = "Which galaxies orbit Andromeda?"
    await asyncio.gather(*[answered(slow, question) for _ in range(8)])
    assert await entries(slow) == []
    assert flight._lines.get() == {}
    assert time.monotonic() - begin < flight.LONGEST_WAIT


async def test_who_wants_it_fresh_or_without_a_cache_waits_for_nobody(slow):
    answers = await asyncio.gather(
        answered(slow),
        answered(slow, use_cache=False),
        answered(changed(slow, query={"cache": False})),
    )
    assert [one["cache"] for one in answers] == ["none"] * 3
    assert await model_calls(slow) == 3


async def test_nothing_is_left_of_a_flight_that_has_landed(slow):
    await asyncio.gather(*[answered(slow) for _ in range(5)])
    assert flight._lines.get() == {}


class Elsewhere:
    """The same question by the same kind of caller, in another process."""

    def __init__(self, services, caller):
        given = {
            "slug": caller.tenant.slug,
            "levels": caller.access_levels,
            "question": QUESTION,
            "model": caller.tenant.endpoint.small_model,
            "model_url": caller.tenant.endpoint.base_url,
        }
        environment = os.environ | {
            "DATABASE_URL": services["database"],
            "REDIS_URL": services["redis"],
            "RAGADMIN_DATA_DIR": str(services["folder"]),
            "RAGADMIN_SECRET_KEY": settings.SECRET_KEY,
            "DJANGO_SETTINGS_MODULE": "ragadmin.settings.dev",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.retrieval.query.ask_elsewhere", json.dumps(given)],
            env=environment, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    async def wait_for(self, event):
        while event not in (line := await asyncio.to_thread(self.process.stdout.readline)):
            assert line, "it ended before"

    async def answer(self):
        output, _ = await asyncio.to_thread(self.process.communicate)
        return json.loads(output.splitlines()[-1])


@pytest.fixture
def elsewhere(services):
    started = []

    def start(caller):
        started.append(Elsewhere(services, caller))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.process.stdout.close()


async def test_two_processes_ask_the_model_once(asker, mock_url, elsewhere):
    slow = with_model(asker, mock_url, "mock-1500-10-50")
    other = elsewhere(slow)
    await other.wait_for("StageStarted")
    here, there = await asyncio.gather(answered(slow), other.answer())
    assert here["answer"] == there["answer"]
    assert sorted([here["cache"], there["cache"]]) == ["exact", "none"]
    assert await model_calls(slow) == 1


async def test_a_killed_leader_is_followed_by_another_process(asker, mock_url, elsewhere):
    slow = with_model(asker, mock_url, "mock-2000-10-50")
    other = elsewhere(slow)
    await other.wait_for("StageStarted")
    await asyncio.sleep(1)
    asking = asyncio.create_task(answered(slow))
    await asyncio.sleep(0.3)
    other.process.send_signal(signal.SIGKILL)
    given = await asking
    assert given["cache"] == "none"
    statuses = sorted(trace.status for trace in await traces(slow))
    assert statuses == ["running", "succeeded"], "the killed one had begun"
