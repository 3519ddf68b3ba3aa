"""The stub model, asked through the unmodified openai client."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request

import numpy as np
import openai
import pytest

from ragadmin.embedded.ports import free_port
from ragadmin.installation import PROJECT_DIR
from retrieval.mock_model.answers import compose
from retrieval.mock_model.server import start_server

PROMPT = """Answer from the passages.

<passage n="1" source="billing.md">
Invoices are sent on the first day of each month. Cards are charged two days later.
</passage>

<passage n="2" source="accounts.md">
# Passwords
A password is reset from the sign-in page. The link is valid for one hour.
</passage>

Question: How is a password reset?"""


@pytest.fixture
async def client():
    server = await start_server("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0, timeout=5
    ) as made:
        yield made
    server.close()


async def stream(client, model, **extra):
    events = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": PROMPT}], stream=True, **extra
    )
    return [event async for event in events]


def pieces(events):
    return [e.choices[0].delta.content for e in events if e.choices and e.choices[0].delta.content]


async def test_answer_comes_from_the_best_passage_and_cites_it(client):
    answer = await client.chat.completions.create(
        model="mock-0-8-0", messages=[{"role": "user", "content": PROMPT}]
    )
    text = answer.choices[0].message.content
    assert text == "A password is reset from the sign-in [2]"
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


async def test_stream_has_exactly_the_tokens_asked_and_usage_last(client):
    events = await stream(client, "mock-0-60-0", stream_options={"include_usage": True})
    assert len(pieces(events)) == 60
    assert events[-1].usage.completion_tokens == 60
    assert events[-2].choices[0].finish_reason == "stop"


async def test_stream_is_paced_by_the_name(client):
    start = time.perf_counter()
    assert len(pieces(await stream(client, "mock-100-10-10"))) == 10
    assert 0.19 <= time.perf_counter() - start < 1.0


async def test_stream_and_whole_answer_agree(client):
    whole = await client.chat.completions.create(
        model="mock-0-20-0", messages=[{"role": "user", "content": PROMPT}]
    )
    assert "".join(pieces(await stream(client, "mock-0-20-0"))) == whole.choices[0].message.content


async def test_max_tokens_cuts_the_answer(client):
    events = await stream(client, "mock-0-60-0", max_tokens=7)
    assert len(pieces(events)) == 7
    assert events[-1].choices[0].finish_reason == "length"


async def test_answer_without_passages_says_so(client):
    answer = await client.chat.completions.create(
        model="mock-0-5-0", messages=[{"role": "user", "content": "Question: Anything?"}]
    )
    assert answer.choices[0].message.content == "No passages were given, so"


def test_unpaced_answer_stops_when_it_has_said_what_matters():
    assert "".join(compose(PROMPT, None)) == "A password is reset from the sign-in page. [2]"


async def test_models_are_listed(client):
    names = [model.id async for model in await client.models.list()]
    assert "mock-500-60-25" in names


async def test_embeddings_are_unit_vectors_and_alike_in_both_encodings(client):
    texts = ["reset a password", "password reset", "monthly invoices"]
    made = await client.embeddings.create(model="mock-embedding", input=texts)
    plain = await client.embeddings.create(
        model="mock-embedding", input=texts, encoding_format="float"
    )
    vectors = np.array([item.embedding for item in made.data])
    assert vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors, [item.embedding for item in plain.data], atol=1e-6)
    assert vectors[0] @ vectors[1] > 0.7 > vectors[0] @ vectors[2]


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("mock-error-500", openai.InternalServerError),
        ("mock-error-429", openai.RateLimitError),
        ("mock-error-401", openai.AuthenticationError),
    ],
)
async def test_error_models_answer_with_their_status(client, model, error):
    with pytest.raises(error):
        await stream(client, model)


async def test_garbage_model_streams_what_cannot_be_read(client):
    with pytest.raises(ValueError, match="Expecting value"):
        await stream(client, "mock-garbage")


async def test_drop_model_closes_after_its_tokens(client):
    events = await client.chat.completions.create(
        model="mock-drop-4", messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    seen = [await anext(events) for _ in range(5)]
    with pytest.raises(openai.APIConnectionError):
        await anext(events)
    assert len(pieces(seen)) == 4


async def test_hang_model_never_answers(client):
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.3).chat.completions.create(
            model="mock-hang", messages=[{"role": "user", "content": PROMPT}]
        )


async def test_badcite_model_cites_one_passage_that_is_there_and_one_that_is_not(client):
    text = "".join(pieces(await stream(client, "mock-badcite")))
    assert "[2]" in text
    assert "[99]" in text


async def test_malformed_request_is_refused_and_the_next_one_served(client):
    with pytest.raises(openai.BadRequestError):
        await client.embeddings.create(model="mock-embedding", input=[])
    assert pieces(await stream(client, "mock-0-5-0"))


def test_command_serves_and_a_taken_port_is_told_in_one_line(tmp_path):
    port = str(free_port())
    command = [sys.executable, "manage.py", "mock_model", "--port", port]
    first = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True)
    try:
        assert f"http://127.0.0.1:{port}/v1" in first.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models") as answer:
            assert answer.status == 200
        second = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True)
        assert second.returncode == 1
        assert "choose another --port" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
    finally:
        first.terminate()
        first.wait(5)
        first.stdout.close()
