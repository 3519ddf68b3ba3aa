"""Streams that end early, fall silent or are passed on piece by piece."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest

from ragadmin.errors import ProviderError
from retrieval.events import AnswerFailed, StageStarted, TokenAdded
from retrieval.providers.openai import Chunks, OpenAIChat
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest
from retrieval.types import Message, Usage
from tests.retrieval.query.asking import QUESTION, answered, ask, changed, sent_to, text_of
from tests.retrieval.query.conftest import with_model
from tests.retrieval.query.test_answer import stored_trace

pytestmark = pytest.mark.usefixtures("loop_resources")
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


async def statistics(url):
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{url}/mock/stats")).json()


async def read_until_token(events):
    async for event in events:
        if isinstance(event, StageStarted):
            answer_id = event.answer_id
        if isinstance(event, TokenAdded):
            return answer_id
    raise AssertionError("no token came")


async def test_a_reader_who_leaves_ends_the_models_request_and_is_still_billed(caller, mock_url):
    asker = with_model(caller, mock_url, "mock-0-200-20")
    async with contextlib.aclosing(answer(asker, AnswerRequest(QUESTION))) as events:
        answer_id = await read_until_token(events)
    trace = await stored_trace(caller, answer_id)
    assert trace.status == "cancelled"
    assert trace.calls[0]["kind"] == "generation"
    assert trace.calls[0]["estimated"]
    assert trace.input_tokens > 0
    async with asyncio.timeout(5):
        while (await statistics(mock_url))["abandoned"] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_reader_who_leaves_before_the_first_token_is_billed_for_the_prompt(
    caller, mock_url
):
    asker = with_model(caller, mock_url, "mock-5000-9-0")
    events, asking = answer(asker, AnswerRequest(QUESTION)), None

    async def read():
        async for event in events:
            if isinstance(event, StageStarted) and event.stage == "generating":
                started.set_result(event.answer_id)

    started = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(read())
    answer_id = await started
    async with asyncio.timeout(5):
        while (await statistics(mock_url))["requests"] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    trace = await stored_trace(caller, answer_id)
    assert trace.status == "cancelled"
    assert (trace.input_tokens > 0, trace.output_tokens) == (True, 0)


async def test_what_came_before_a_model_broke_off_stays_on_the_trace(caller, mock_url):
    events = await ask(with_model(caller, mock_url, "mock-drop-5"))
    assert isinstance(events[-1], AnswerFailed)
    assert events[-1].error.code == "model_interrupted"
    trace = await stored_trace(caller, events[-1].answer_id)
    assert trace.status == "failed"
    assert trace.answer == text_of(events)
    assert trace.calls[0]["output_tokens"] > 0


async def test_the_finish_reason_of_the_model_is_reported(caller, mock_url):
    asker = with_model(caller, mock_url, "mock-0-12-0")
    assert (await answered(asker))["finish_reason"] == "stop"
    cut = await answered(asker, max_tokens=4)
    assert cut["finish_reason"] == "length"
    assert cut["usage"]["output_tokens"] == 4


async def test_parameters_are_passed_on_to_the_model(caller, mock_url):
    asker = with_model(caller, mock_url, "mock-0-12-0")
    await answered(asker, temperature=0.3, stop=("sign-in",), max_tokens=50)
    sent = (await sent_to(mock_url))[-1]
    assert (sent["temperature"], sent["stop"], sent["max_tokens"]) == (0.3, ["sign-in"], 50)


async def test_a_stop_text_ends_the_answer_before_it(caller, mock_url):
    done = await answered(with_model(caller, mock_url, "mock-0-12-0"), stop=("sign-in",))
    assert done["answer"].endswith("from the ")


async def test_the_tenants_temperature_and_length_hold_where_the_caller_gives_none(
    caller, mock_url
):
    query = {"temperature": 0.7, "answer_tokens": 33}
    await answered(changed(with_model(caller, mock_url, "mock-0-12-0"), query=query))
    sent = (await sent_to(mock_url))[-1]
    assert (sent["temperature"], sent["max_tokens"]) == (0.7, 33)


async def test_a_stream_without_a_first_token_is_given_up(mock_url):
    chat = OpenAIChat(base_url=mock_url, api_key="any")
    with pytest.raises(ProviderError) as given_up:
        async for _ in chat.stream(
            model="mock-mute",
            messages=[Message("user", "Hello")],
            max_tokens=9,
            first_token_seconds=0.3,
        ):
            pass
    await chat.close()
    assert given_up.value.code == "model_timeout"


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_stream_reads_the_same_however_it_is_cut(size):
    data = b": hello\n\n" + b"".join(CHUNK % word for word in (b"One ", b"two ", b"three")) + END
    chunks = Chunks()
    pieces = [chunks.read(data[start : start + size]) for start in range(0, len(data), size)]
    assert "".join(pieces) == "One two three"
    assert (chunks.is_done, chunks.finish_reason) == (True, "stop")


def test_tokens_that_arrive_together_are_passed_on_together():
    assert Chunks().read(CHUNK % b"One " + CHUNK % b"two") == "One two"
    # As no database could keep them.
    assert Chunks().read(CHUNK % rb"\u0000One \ud800two") == "One ?two"


@pytest.mark.parametrize(
    ("sent", "made", "counted"),
    [(12, 3, Usage(12, 3)), ('"12"', 3.0, Usage(12, 3)), (-5, 3, None), (12, 10**30, None), (12, "1e999", None)],
)  # fmt: skip
def test_what_no_request_can_have_taken_is_not_believed(sent, made, counted):
    usage = f'{{"prompt_tokens": {sent}, "completion_tokens": {made}}}'
    chunks = Chunks()
    chunks.read(f'data: {{"choices": [], "usage": {usage}}}\n\n'.encode())
    assert (chunks.usage, chunks.error) == (counted, None)


def test_text_before_an_error_is_not_lost():
    chunks = Chunks()
    assert chunks.read(CHUNK % b"One" + b'data: {"error": {"message": "overloaded"}}\n\n') == "One"
    assert isinstance(chunks.error, ProviderError)
    assert "overloaded" in chunks.error.message


def test_a_model_that_thinks_aloud_is_alive():
    chunks = Chunks()
    chunks.read(b'data: {"choices":[{"delta":{"reasoning_content":"Hm."}}]}\n\n')
    assert chunks.is_thinking
