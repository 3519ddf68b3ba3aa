"""Other wordings of a question on the path of an answer and of a search."""

from __future__ import annotations

import pytest

from retrieval.events import AnswerDone
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest, SearchRequest
from retrieval.query.searching import search_documents
from tests.retrieval.query.asking import changed, sent_to
from tests.retrieval.query.conftest import with_model

pytestmark = pytest.mark.usefixtures("loop_resources")


@pytest.fixture
def asked(caller, mock_url):
    def asked(**query):
        return changed(with_model(caller, mock_url, "mock-0-12-0"), query=query)

    return asked


async def search(caller, question):
    return await search_documents(caller, SearchRequest(question, explain=True))


async def test_a_search_says_what_else_was_searched_for_and_what_that_cost(asked):
    body = await search(asked(multi_query="on", rewrites=2), "How long is the reset link valid?")
    assert len(body["rewrites"]) == 2
    assert body["cost_usd"]["multi_query"] is None  # nobody has published a price for the stub
    assert sum(span["kind"] == "search" for span in body["spans"]) == 1


async def test_without_the_setting_no_model_is_asked(asked, mock_url):
    body = await search(asked(multi_query="off"), "How long is the reset link valid?")
    assert body["rewrites"] == []
    assert body["cost_usd"]["total"] == 0
    assert await sent_to(mock_url) == []


async def test_automatic_searches_again_only_where_the_first_search_found_little(asked):
    caller = asked(multi_query="auto")
    weak = await search(caller, "Which mountain is the highest of Nepal?")
    assert weak["rewrites"] != []
    assert sum(span["kind"] == "search" for span in weak["spans"]) == 2


async def test_an_answer_is_made_from_the_same_search(asked):
    caller = asked(multi_query="on", cache=False, llm_cache=False)
    question = "How long is the reset link valid?"
    async for event in answer(caller, AnswerRequest(question)):
        done = event
    assert isinstance(done, AnswerDone)
    assert "multi_query" in [span.get("what") for span in done.answer["spans"]]
    assert done.answer["cost_usd"]["multi_query"] is None
