"""What answers when a model does not."""

from __future__ import annotations

import time

import httpx
import pytest

from ragadmin.errors import ProviderError
from retrieval.events import AnswerFailed
from retrieval.query import breaker
from retrieval.query.breaker import Breaker
from retrieval.query.routing import choices_for
from tests.retrieval.query.asking import answered, ask, changed, routed, sent_to, text_of

pytestmark = pytest.mark.usefixtures("loop_resources")
ALL = ("simple", "moderate", "complex")


def every_tier(caller, url, names, **more):
    return routed(caller, url, **dict.fromkeys(ALL, names), **more)


def failure(code="model_error", **extra):
    return ProviderError("It failed.", code=code, extra=extra)


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ("mock-error-500", "model_error"),
        ("mock-error-429", "model_error"),
        ("mock-error-400", "model_error"),
        ("mock-garbage", "model_invalid"),
        ("mock-drop-0", "model_interrupted"),
    ],
)
async def test_the_next_model_answers_and_the_reason_says_why(caller, mock_url, broken, code):
    done = await answered(every_tier(caller, mock_url, f"{broken} mock-0-9-0"))
    assert done["model"] == "mock-0-9-0"
    assert done["route"]["tried"] == [{"model": broken, "error": code}]
    assert f"{broken}: {code}" in done["route_reason"]
    assert "[1]" in done["answer"]


async def test_an_unreachable_endpoint_falls_back_to_another_one(caller, mock_url):
    away = routed(caller, "http://127.0.0.1:1/v1", simple="away", moderate="away", complex="away")
    here = every_tier(caller, mock_url, "mock-0-9-0")
    routes = (*away.tenant.routes, *here.tenant.routes)
    done = await answered(changed(caller, routes=routes))
    assert done["model"] == "mock-0-9-0"
    assert done["route"]["tried"] == [{"model": "away", "error": "model_unreachable"}]


@pytest.mark.parametrize("silent", ["mock-hang", "mock-mute"])
async def test_a_silent_model_is_given_up_after_the_tenants_patience(caller, mock_url, silent):
    asker = every_tier(caller, mock_url, f"{silent} mock-0-9-0")
    done = await answered(changed(asker, query={"first_token_seconds": 1.0}))
    assert done["route"]["tried"] == [{"model": silent, "error": "model_timeout"}]
    assert done["model"] == "mock-0-9-0"


async def test_when_no_model_answers_the_passages_are_quoted_and_it_says_so(caller, mock_url):
    done = await answered(every_tier(caller, mock_url, "mock-error-500 mock-garbage"))
    assert done["model"] == "extractive"
    assert done["degraded"] == ["model"]
    assert "reset from the sign-in page" in done["answer"]
    assert "mock-error-500: model_error 500" in done["route_reason"]
    assert "mock-garbage: model_invalid" in done["route_reason"]


async def test_a_named_model_that_fails_is_an_error_and_nothing_else_answers(caller, mock_url):
    asker = every_tier(caller, mock_url, "mock-error-503 mock-0-9-0")
    last = (await ask(asker, model="mock-error-503"))[-1]
    assert isinstance(last, AnswerFailed)
    assert (last.error.code, last.error.status) == ("model_error", 502)


async def test_a_model_that_breaks_off_after_text_was_shown_is_not_replaced(caller, mock_url):
    events = await ask(every_tier(caller, mock_url, "mock-drop-3 mock-0-9-0"))
    assert isinstance(events[-1], AnswerFailed)
    assert events[-1].error.code == "model_interrupted"
    assert text_of(events)


async def test_a_bad_line_is_tried_once_more_and_a_rate_limit_is_not(caller, mock_url):
    await answered(every_tier(caller, mock_url, "mock-error-502 mock-0-9-0"))
    await answered(every_tier(caller, mock_url, "mock-error-429 mock-0-9-0"), "And salaries?")
    asked = [one["model"] for one in await sent_to(mock_url)]
    assert asked.count("mock-error-502") == 2
    assert asked.count("mock-error-429") == 1


async def test_a_model_that_keeps_failing_is_left_alone(caller, mock_url):
    asker = every_tier(caller, mock_url, "mock-error-401 mock-0-9-0")
    for _ in range(5):
        done = await answered(asker, use_cache=False)
    asked = [one["model"] for one in await sent_to(mock_url)]
    assert asked.count("mock-error-401") == breaker.FAILURES_IN_A_ROW
    assert "left alone for" in done["route_reason"]


async def test_a_rate_limit_is_kept_for_as_long_as_it_says(caller, mock_url):
    asker = every_tier(caller, mock_url, "mock-error-429-120 mock-0-9-0")
    for _ in range(2):
        done = await answered(asker, use_cache=False)
    asked = [one["model"] for one in await sent_to(mock_url)]
    assert asked.count("mock-error-429-120") == 1
    seconds = breaker.state(choices_for(asker.tenant, "simple")[0]).open_until - time.monotonic()
    assert 100 < seconds <= 120
    assert "left alone for" in done["route_reason"]


async def test_a_question_that_a_model_refuses_says_nothing_of_the_model(caller, mock_url):
    asker = every_tier(caller, mock_url, "mock-error-400 mock-0-9-0")
    for _ in range(5):
        await answered(asker, use_cache=False)
    asked = [one["model"] for one in await sent_to(mock_url)]
    assert asked.count("mock-error-400") == 5


async def test_a_named_model_that_is_left_alone_is_refused_at_once(caller, mock_url):
    asker = every_tier(caller, mock_url, "mock-error-401 mock-0-9-0")
    for _ in range(4):
        last = (await ask(asker, model="mock-error-401", use_cache=False))[-1]
    assert len(await sent_to(mock_url)) == breaker.FAILURES_IN_A_ROW
    assert "left alone" in last.error.message


def test_three_failures_in_a_row_open_a_breaker_and_a_trial_closes_or_holds_it():
    one = Breaker()
    for _ in range(2):
        one.note_failure(failure(), 0.0)
        assert one.admits(0.0)
    one.note_failure(failure(), 0.0)
    assert not one.admits(9.9)
    assert one.admits(10.0), "one question tries it"
    assert not one.admits(10.0), "the others do not wait for that"
    one.note_failure(failure(), 10.0)
    assert not one.admits(29.9), "the pause doubles"
    assert one.admits(30.0)


def test_a_breakers_pause_ends_at_a_minute():
    one, now = Breaker(), 0.0
    for _ in range(3):
        one.note_failure(failure(), now)
    for _ in range(6):
        now = one.open_until
        assert one.admits(now)
        one.note_failure(failure(), now)
    assert one.open_until - now == breaker.LONGEST_PAUSE_SECONDS


def test_a_breaker_takes_the_limit_that_it_was_told():
    one = Breaker()
    one.note_failure(failure(upstream_status=429, retry_after=25.0), 100.0)
    assert not one.admits(124.0)
    assert one.admits(125.0)


async def test_a_model_that_counts_tokens_and_says_nothing_is_paid_all_the_same(caller, mock_url):
    done = await answered(every_tier(caller, mock_url, "mock-0-0-0 mock-0-9-0"))
    assert done["model"] == "mock-0-9-0"
    told = {call["model"]: (call["input_tokens"], call["output_tokens"]) for call in done["calls"]}
    async with httpx.AsyncClient() as client:
        billed = (await client.get(f"{mock_url}/mock/stats")).json()["billed"]
    assert told == {
        model: (each["prompt_tokens"], each["completion_tokens"]) for model, each in billed.items()
    }
    assert len(told) == 2
