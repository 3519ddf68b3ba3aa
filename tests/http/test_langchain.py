"""LangChain's own chat model and embeddings, pointed at a running server."""

from __future__ import annotations

from importlib import import_module

import openai
import pytest

QUESTION = "How do I reset my password?"


@pytest.fixture
async def options(web, key):
    """With connections that are closed after the test: LangChain keeps its own until the end."""
    async with openai.DefaultAsyncHttpxClient() as for_async:
        with openai.DefaultHttpxClient() as plain:
            yield {
                "base_url": f"{web.url}/v1",
                "api_key": key,
                "max_retries": 0,
                "http_client": plain,
                "http_async_client": for_async,
            }


@pytest.fixture(scope="module")
def langchain():
    """Imported here, which takes two seconds, so that only who runs these tests waits for it."""
    return import_module("langchain_openai")


@pytest.fixture
def model(langchain, options):
    return langchain.ChatOpenAI(model="auto", **options)


def test_a_question_is_answered_with_its_usage(model):
    answer = model.invoke(QUESTION)
    assert "[1]" in answer.content
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def test_a_conversation_is_understood(model):
    answer = model.invoke(
        [
            ("system", "Be short."),
            ("human", "How is a password reset?"),
            ("ai", "From the sign-in page."),
            ("human", "How long is that link valid?"),
        ]
    )
    assert "[1]" in answer.content
    assert "link" in answer.content


def test_a_stream_adds_up(model):
    chunks = list(model.stream(QUESTION, stream_usage=True))
    assert "[1]" in "".join(chunk.content for chunk in chunks)
    assert len(chunks) > 3
    assert any(chunk.usage_metadata for chunk in chunks)


async def test_the_asynchronous_stream_adds_up(model):
    pieces = [chunk.content async for chunk in model.astream(QUESTION)]
    assert "[1]" in "".join(pieces)


def test_parameters_are_honoured(langchain, options):
    model = langchain.ChatOpenAI(model="auto", temperature=0, max_tokens=4, **options)
    answer = model.invoke(QUESTION, stop=["nothing-like-it"])
    assert answer.response_metadata["finish_reason"] == "length"


def test_tools_are_refused_in_words(model):
    with pytest.raises(openai.BadRequestError, match="tools"):
        model.bind_tools([{"name": "f", "description": "d", "parameters": {}}]).invoke(QUESTION)


def test_embeddings_are_the_tenants(langchain, options):
    embeddings = langchain.OpenAIEmbeddings(
        model="any", check_embedding_ctx_length=False, **options
    )
    assert [len(vector) for vector in embeddings.embed_documents(["one", "two"])] == [384, 384]
