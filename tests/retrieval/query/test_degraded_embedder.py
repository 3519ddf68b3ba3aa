"""The embedding model's endpoint goes away and comes back: meanwhile the words alone are searched for."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import replace

import pytest

from ragadmin.embedded.ports import free_port
from ragadmin.installation import PROJECT_DIR
from retrieval.events import AnswerDone
from retrieval.providers.embedders import close_embedders, forget_embedder
from retrieval.providers.rest import Rest
from retrieval.query import embed
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest, SearchRequest
from retrieval.query.searching import search_documents
from tenants.services import create_tenant
from tests.documents import DOCUMENTS, upload_and_index
from tests.retrieval.query.asking import answered
from tests.retrieval.query.conftest import MODEL as CHAT_MODEL, with_model
from tests.retrieval.query.kept_answers import forget_redis

pytestmark = pytest.mark.usefixtures("rested", "loop_resources")
MODEL = "openai:mock-embedding"
QUESTION = "How is a password reset from the sign-in page?"


class Endpoint:
    """A real process on one port."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def start(self):
        command = [sys.executable, "-m", "retrieval.mock_model", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}/models", timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("The stub does not listen.")

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def endpoint(settings):
    endpoint = Endpoint()
    settings.OPENAI_BASE_URL = endpoint.url
    forget_embedder(MODEL)
    endpoint.start()
    yield endpoint
    endpoint.stop()
    forget_embedder(MODEL)


@pytest.fixture
def corpus(endpoint):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", embedding_model=MODEL)
    upload_and_index(tenant, DOCUMENTS)
    tenant.refresh_from_db()
    return tenant


@pytest.fixture
def caller(caller):
    """Without a chat model, which would be at the same address."""
    return replace(caller, tenant=replace(caller.tenant, endpoint=None))


@pytest.fixture
async def rested(endpoint):
    embed.forget_failures()
    yield
    await close_embedders()


async def ask(caller, question=QUESTION):
    events = [event async for event in answer(caller, AnswerRequest(question, use_cache=False))]
    assert isinstance(events[-1], AnswerDone)
    return events[-1].answer


def found(body):
    return [hit["path"] for hit in body["hits"]]


async def test_answers_go_on_by_words_alone_and_recover_by_themselves(caller, endpoint):
    assert (await ask(caller))["degraded"] == []
    endpoint.stop()
    without = await ask(caller, f"{QUESTION} Again?")
    assert without["degraded"] == ["embedder"]
    assert "reset from the sign-in page" in without["answer"]
    assert [citation["path"] for citation in without["citations"]] == ["guide/passwords.md"]
    endpoint.start()
    embed.forget_failures()
    assert (await ask(caller, f"{QUESTION} And now?"))["degraded"] == []


async def test_searches_go_on_by_words_alone(caller, endpoint):
    endpoint.stop()
    body = await search_documents(caller, SearchRequest(QUESTION, explain=True))
    assert body["degraded"] == ["embedder"]
    assert found(body)[0] == "guide/passwords.md"
    assert [hit["vector_place"] for hit in body["hits"]] == [None] * len(body["hits"])
    assert body["hits"][0]["keyword_place"] == 1
    by_words = await search_documents(caller, SearchRequest(QUESTION, mode="keyword"))
    assert found(by_words) == found(body)
    assert by_words["degraded"] == [], "nothing was missing"


async def test_by_words_alone_access_levels_decide_too(public_caller, endpoint):
    endpoint.stop()
    question = "When are salaries paid by bank transfer?"
    assert found(await search_documents(public_caller, SearchRequest(question))) == []


async def test_by_words_alone_an_unrelated_question_finds_nothing(caller, endpoint):
    endpoint.stop()
    body = await search_documents(caller, SearchRequest("Which galaxies orbit the page?"))
    assert found(body) == []


async def test_a_question_that_was_embedded_before_needs_no_endpoint(caller, endpoint):
    before = await search_documents(caller, SearchRequest(QUESTION))
    endpoint.stop()
    again = await search_documents(caller, SearchRequest(QUESTION))
    assert (again["degraded"], again["hits"]) == ([], before["hits"])


async def test_a_failed_endpoint_is_left_alone_for_a_moment(caller, endpoint, monkeypatch):
    rest = Rest(60)
    monkeypatch.setattr(embed, "_rest", lambda model: rest)
    endpoint.stop()
    await search_documents(caller, SearchRequest("How is it reset?"))
    endpoint.start()
    soon = await search_documents(caller, SearchRequest("Who resets a password?"))
    assert soon["degraded"] == ["embedder"]
    rest.end()
    later = await search_documents(caller, SearchRequest("Who resets a password?"))
    assert later["degraded"] == []


async def test_the_same_question_is_still_answered_from_the_cache(caller, endpoint, mock_url):
    asker = with_model(caller, mock_url, CHAT_MODEL)
    await answered(asker)
    await forget_redis(asker)
    endpoint.stop()
    assert (await answered(asker))["cache"] == "exact"
