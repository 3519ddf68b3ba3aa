"""OpenAI's routes of a running server, asked by the unmodified client and by curl."""

from __future__ import annotations

import json
import subprocess

import openai
import pytest

from tests.http.conftest import make_key

QUESTION = "How do I reset my password?"
ASKED = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def client(web, key):
    with openai.OpenAI(base_url=f"{web.url}/v1", api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture
async def async_client(web, key):
    async with openai.AsyncOpenAI(base_url=f"{web.url}/v1", api_key=key, max_retries=0) as made:
        yield made


def create(client, messages=ASKED, **options):
    return client.chat.completions.create(model="auto", messages=messages, **options)


def test_a_whole_completion_has_text_usage_and_citations(client):
    whole = create(client)
    choice = whole.choices[0]
    assert "[1]" in choice.message.content
    assert (choice.finish_reason, choice.message.role) == ("stop", "assistant")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    cited = choice.message.annotations[0].url_citation
    assert choice.message.content[cited.start_index : cited.end_index] == "[1]"
    assert whole.model_extra["ragadmin"]["answer_id"]


def test_a_stream_says_the_same_and_ends_with_its_usage_if_asked(client):
    whole = create(client, extra_body={"use_cache": False}).choices[0].message.content
    chunks = list(create(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert chunks[0].choices[0].delta.role == "assistant"
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert [reason for reason in finishes if reason] == ["stop"]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens >= 0) == ([], True)
    without = list(create(client, stream=True))
    assert all(chunk.usage is None for chunk in without)


async def test_the_asynchronous_client_gets_both_forms(async_client):
    whole = await create(async_client)
    stream = await create(async_client, stream=True)
    pieces = [c.choices[0].delta.content or "" async for c in stream if c.choices]
    assert "".join(pieces) == whole.choices[0].message.content


async def test_the_clients_own_helper_for_streams_understands_it(async_client):
    async with async_client.chat.completions.stream(model="auto", messages=ASKED) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert "[1]" in final.choices[0].message.content


@pytest.mark.parametrize("limit", [{"max_tokens": 3}, {"max_completion_tokens": 3}])
def test_a_cut_answer_says_that_its_length_was_the_reason(client, limit):
    cut = create(client, **limit)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 3
    chunks = list(create(client, stream=True, **limit))
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_stop_text_ends_the_answer(client):
    for stop in ("sign-in", ["nothing-like-it", "sign-in"]):
        assert create(client, stop=stop, temperature=0).choices[0].message.content.endswith("the ")


def test_models_are_listed_and_shown_and_an_unknown_one_is_not_found(client):
    names = {model.id for model in client.models.list()}
    assert names == {"auto", "mock-0-12-0", "extractive"}
    assert client.models.retrieve("extractive").id == "extractive"
    for ask in (
        lambda: client.models.retrieve("gpt-99"),
        lambda: client.chat.completions.create(model="gpt-99", messages=ASKED),
    ):
        with pytest.raises(openai.NotFoundError) as missing:
            ask()
        assert missing.value.code == "model_not_found"


@pytest.mark.parametrize(
    "options",
    [
        {"n": 2},
        {"temperature": 3},
        {"temperature": "hot"},
        {"max_tokens": 0},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"logprobs": True},
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(client, options):
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, **options)
    assert refused.value.param == next(iter(options))
    assert refused.value.type == "invalid_request_error"


def test_what_only_tunes_sampling_is_left_out_of_account(client):
    options = {"top_p": 0.9, "seed": 7, "presence_penalty": 0.1, "user": "u-1", "n": 1}
    assert create(client, response_format={"type": "text"}, **options).choices


def test_errors_have_openais_shape_and_exceptions(web, client):
    with pytest.raises(openai.AuthenticationError) as unknown:
        openai.OpenAI(base_url=f"{web.url}/v1", api_key="wrong", max_retries=0).models.list()
    assert unknown.value.type == "authentication_error"
    with pytest.raises(openai.BadRequestError) as empty:
        create(client, [{"role": "user", "content": " "}])
    assert (empty.value.code, empty.value.param) == ("empty_question", "messages")


def test_a_key_without_the_scope_is_refused(web, corpus):
    key = make_key(corpus, scopes=("ingest",))
    with pytest.raises(openai.PermissionDeniedError) as refused:
        create(openai.OpenAI(base_url=f"{web.url}/v1", api_key=key, max_retries=0))
    assert (refused.value.code, refused.value.type) == ("scope_missing", "permission_error")


def test_of_ten_thousand_messages_the_last_are_read(client):
    earlier = [
        {"role": role, "content": f"{role} says {n}"}
        for n in range(5_000)
        for role in ("user", "assistant")
    ]
    assert "[1]" in create(client, [*earlier, *ASKED]).choices[0].message.content


def test_what_tools_and_systems_said_is_not_the_conversation(client):
    messages = [
        {"role": "system", "content": "Be a pirate."},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "42", "tool_call_id": "x"},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    assert "[1]" in create(client, messages).choices[0].message.content


def test_a_picture_is_refused_and_not_passed_over(client):
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with pytest.raises(openai.BadRequestError, match="image_url"):
        create(client, [{"role": "user", "content": [part]}])


def test_embeddings_come_as_the_client_asks_for_them(client):
    given = client.embeddings.create(model="any", input=["one", "two"])
    assert [len(item.embedding) for item in given.data] == [384, 384]
    plain = client.embeddings.create(model="any", input="one", encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(given.data[0].embedding)
    assert given.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    ("options", "word"),
    [({"input": [[1, 2]]}, "token"), ({"input": [1, 2]}, "token"), ({"input": [""]}, "empty"),
     ({"input": "x", "dimensions": 7}, "384")],
)  # fmt: skip
def test_embeddings_of_what_is_no_text_are_refused_with_a_reason(client, options, word):
    with pytest.raises(openai.BadRequestError, match=word):
        client.embeddings.create(model="any", **options)


def test_curl_gets_a_stream(web, key):
    body = json.dumps({"model": "auto", "messages": ASKED, "stream": True})
    sent = subprocess.run(
        ["curl", "-sN", f"{web.url}/v1/chat/completions", "-H", f"Authorization: Bearer {key}",
         "-H", "Content-Type: application/json", "-d", body],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    lines = [line for line in sent.stdout.split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line[6:]) for line in lines[:-1]]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert "[1]" in "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
