from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async

from ragadmin.errors import InvalidRequest, NotFound
from retrieval.events import AnswerDone, AnswerFailed, CitationsFound, StageStarted, TokenAdded
from retrieval.models import QueryTrace
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest
from tenants.context import tenant_context
from tenants.pool import pool_statistics
from tests.retrieval.query.conftest import with_model

pytestmark = pytest.mark.usefixtures("loop_resources")
QUESTION = "How do I reset my password?"


@sync_to_async
def stored_trace(caller, answer_id):
    with tenant_context(caller.tenant):
        return QueryTrace.objects.get(pk=answer_id)


async def ask(caller, question=QUESTION, **options):
    return [event async for event in answer(caller, AnswerRequest(question, **options))]


async def test_without_a_model_the_answer_is_quoted_and_cited(caller):
    events = await ask(caller)
    done = events[-1].answer
    assert [type(event) for event in events[:2]] == [StageStarted, StageStarted]
    assert "reset from the sign-in page" in done["answer"]
    assert done["model"] == "extractive"
    assert done["citations"][0]["path"] == "guide/passwords.md"
    assert done["cost_usd"]["total"] == 0


async def test_the_trace_is_complete_before_done(caller):
    async for event in answer(caller, AnswerRequest(QUESTION)):
        if isinstance(event, StageStarted) and event.stage == "searching":
            trace = await stored_trace(caller, event.answer_id)
            assert (trace.status, trace.question) == ("running", QUESTION)
        if isinstance(event, AnswerDone):
            trace = await stored_trace(caller, event.answer["id"])
    assert trace.status == "succeeded"
    assert trace.answer == event.answer["answer"]
    assert [span["kind"] for span in trace.spans] == [
        "cache",
        "record",
        "embed",
        "cache",
        "search",
        "route",
        "generate",
    ]


async def test_a_model_answers_from_the_passages(caller, mock_url):
    events = await ask(with_model(caller, mock_url, "mock-0-12-0"))
    done = events[-1].answer
    text = "".join(event.text for event in events if isinstance(event, TokenAdded))
    assert text == done["answer"]
    assert "[1]" in text
    assert done["usage"]["output_tokens"] > 0
    assert done["cost_usd"]["generation"] is None, "nobody publishes a price for the mock"


async def test_a_citation_of_nothing_is_removed(caller, mock_url):
    events = await ask(with_model(caller, mock_url, "mock-badcite"))
    assert "[99]" not in events[-1].answer["answer"]
    assert 99 not in [citation["n"] for citation in events[-1].answer["citations"]]


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("mock-error-500", "model_error"),
        ("mock-error-429", "model_error"),
        ("mock-garbage", "model_invalid"),
        ("mock-drop-3", "model_interrupted"),
    ],
)
async def test_a_failing_model_is_a_typed_error_and_a_kept_question(caller, mock_url, model, code):
    events = await ask(with_model(caller, mock_url, model), model=model)
    assert isinstance(events[-1], AnswerFailed)
    assert events[-1].error.code == code
    trace = await stored_trace(caller, events[-1].answer_id)
    assert (trace.status, trace.error_code, trace.question) == ("failed", code, QUESTION)
    assert (await ask(caller))[-1].answer["answer"], "the next question is unaffected"


async def test_a_partial_answer_is_kept(caller, mock_url):
    events = await ask(with_model(caller, mock_url, "mock-drop-3"))
    text = "".join(event.text for event in events if isinstance(event, TokenAdded))
    trace = await stored_trace(caller, events[-1].answer_id)
    assert text
    assert trace.answer.startswith(text)


async def test_an_unreachable_model_is_told_as_such(caller):
    events = await ask(with_model(caller, "http://127.0.0.1:1/v1", "any"), model="any")
    assert events[-1].error.code == "model_unreachable"


async def test_a_reader_who_leaves_is_recorded_as_cancelled(caller, mock_url):
    events = answer(with_model(caller, mock_url, "mock-0-200-20"), AnswerRequest(QUESTION))
    async with contextlib.aclosing(events):
        async for event in events:
            if isinstance(event, StageStarted):
                answer_id = event.answer_id
            if isinstance(event, TokenAdded):
                break
    trace = await stored_trace(caller, answer_id)
    assert trace.status == "cancelled"
    assert trace.answer


async def test_no_connection_is_held_while_the_model_speaks(caller, mock_url):
    slow = with_model(caller, mock_url, "mock-1500-5-0")
    waiting = asyncio.Semaphore(0)

    async def ask_and_tell():
        # Each for itself: who asks the same would wait for the first.
        async for event in answer(slow, AnswerRequest(QUESTION, use_cache=False)):
            if isinstance(event, StageStarted) and event.stage == "generating":
                waiting.release()

    asking = asyncio.gather(*(ask_and_tell() for _ in range(10)))
    for _ in range(10):
        await waiting.acquire()
    async with asyncio.timeout(1):  # the pool may still be opening connections it no longer needs
        while pool_statistics()["pool_available"] != pool_statistics()["pool_size"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not asking.done()
    await asking


async def test_nothing_near_enough_is_said_honestly(caller, mock_url):
    done = (
        await ask(with_model(caller, mock_url, "mock-0-9-0"), "Which galaxies orbit Andromeda?")
    )[-1].answer
    assert "nothing near enough" in done["answer"]
    assert done["citations"] == []
    assert done["usage"]["input_tokens"] == 0


async def test_an_answer_never_draws_on_what_the_caller_may_not_read(public_caller):
    done = (await ask(public_caller, "When are salaries paid each month?"))[-1].answer
    assert "25th" not in done["answer"]
    assert all(citation["path"] != "finance/salaries.md" for citation in done["citations"])


async def test_a_conversation_goes_on_only_for_its_owner(caller, public_caller):
    first = (await ask(caller, starts_conversation=True))[-1].answer
    again = (await ask(caller, conversation_id=first["conversation_id"]))[-1].answer
    assert again["conversation_id"] == first["conversation_id"]
    with pytest.raises(NotFound):
        await ask(public_caller, conversation_id=first["conversation_id"])


async def test_an_unknown_model_is_refused_before_anything_is_stored(caller):
    with pytest.raises(InvalidRequest) as refused:
        await ask(caller, model="gpt-99")
    assert refused.value.code == "model_not_found"


async def test_a_new_conversation_may_have_an_id_of_the_callers_choice(caller):
    wanted = str(uuid.uuid4())
    done = (await ask(replace(caller, user_id=7), conversation_id=wanted))[-1].answer
    assert done["conversation_id"] == wanted


async def test_citations_come_before_done(caller):
    events = await ask(caller)
    assert isinstance(events[-2], CitationsFound)
