"""Embedding models by name; OpenAI-compatible endpoints, good and bad ones."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from ragadmin.embedded.ports import free_port
from ragadmin.errors import ConfigurationError, InvalidRequest, ProviderError
from retrieval.mock_model.server import start_server
from retrieval.providers.embedders import get_embedder
from retrieval.providers.fastembed_embeddings import FastembedEmbedder
from retrieval.providers.openai_embeddings import OpenAIEmbedder

TEXTS = ["red apple", "green pear", ""]


@contextmanager
def endpoint(status, body, requests=None):
    """Answers every request alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            if requests is not None:
                requests.append(json.loads(asked))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def vectors_body(*vectors):
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "model": "m", "data": data, "usage": usage}).encode()


def make(url, name="some-model", **options):
    return OpenAIEmbedder(name, base_url=url, api_key="any", max_retries=0, **options)


@pytest.fixture
async def stub():
    server = await start_server("127.0.0.1", 0)
    made = make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "mock-embedding")
    yield made
    await made.close()
    server.close()


async def test_questions_are_unit_vectors_in_order(stub):
    rows = await stub.embed_questions(TEXTS)
    again = [await stub.embed_questions([text]) for text in TEXTS]
    assert rows.shape == (3, 384)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.allclose(rows, np.concatenate(again), atol=1e-6)


async def test_more_questions_than_one_request_takes_keep_their_order(stub):
    texts = [f"word{number}" for number in range(300)]
    rows = await stub.embed_questions(texts)
    last = await stub.embed_questions(texts[-1:])
    assert rows.shape == (300, 384)
    assert np.allclose(rows[-1], last[0], atol=1e-6)


async def test_no_questions_ask_nothing(stub):
    assert len(await stub.embed_questions([])) == 0


def test_batches_are_made_unit_vectors():
    with endpoint(200, vectors_body([3.0, 4.0])) as url:
        assert np.allclose(make(url).embed(["text"]), [[0.6, 0.8]])


def test_an_unknown_dimension_is_asked_for_once():
    requests = []
    with endpoint(200, vectors_body([3.0, 4.0]), requests) as url:
        embedder = make(url)
        assert (embedder.dimension, embedder.dimension) == (2, 2)
    assert len(requests) == 1


async def test_rows_follow_the_index_and_not_the_order_of_arrival():
    body = json.loads(vectors_body([1.0, 0.0], [0.0, 1.0]))
    body["data"].reverse()
    with endpoint(200, json.dumps(body).encode()) as url:
        embedder = make(url)
        rows = await embedder.embed_questions(["first", "second"])
        await embedder.close()
    assert rows.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not an API</html>",
        b"[]",
        b'{"data": []}',
        b'{"data": [{"index": 0, "embedding": ["a", "b"]}]}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}',
        vectors_body([0.0, 0.0]),
        vectors_body([1.0, 0.0], [0.0, 1.0]),
    ],
)
async def test_garbage_is_model_invalid_for_batches_and_questions(body):
    with endpoint(200, body) as url:
        embedder = make(url)
        with pytest.raises(ProviderError) as batch:
            embedder.embed(["text"])
        with pytest.raises(ProviderError) as question:
            await embedder.embed_questions(["text"])
        await embedder.close()
    assert {batch.value.code, question.value.code} == {"model_invalid"}


def test_a_wrong_dimension_is_model_invalid():
    with endpoint(200, vectors_body([1.0, 0.0])) as url:
        embedder = make(url, "text-embedding-3-small")
        with pytest.raises(ProviderError) as caught:
            embedder.embed(["text"])
    assert caught.value.code == "model_invalid"
    assert "1536" in caught.value.message


@pytest.mark.parametrize(
    ("status", "permanent"), [(401, True), (404, True), (429, False), (500, False)]
)
def test_an_error_status_is_model_error_and_says_whether_to_retry(status, permanent):
    with endpoint(status, b'{"error": {"message": "no"}}') as url:
        embedder = make(url)
        with pytest.raises(ProviderError) as caught:
            embedder.embed(["text"])
    assert caught.value.code == "model_error"
    assert caught.value.extra == {"upstream_status": status}
    assert caught.value.permanent is permanent


async def test_a_closed_port_is_model_unreachable():
    embedder = make(f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(ProviderError) as batch:
        embedder.embed(["text"])
    with pytest.raises(ProviderError) as question:
        await embedder.embed_questions(["text"])
    await embedder.close()
    assert {batch.value.code, question.value.code} == {"model_unreachable"}


async def test_a_silent_endpoint_is_model_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        embedder = make(url, answer_seconds=0.2)
        with pytest.raises(ProviderError) as batch:
            embedder.embed(["text"])
        with pytest.raises(ProviderError) as question:
            await embedder.embed_questions(["text"])
        await embedder.close()
    assert {batch.value.code, question.value.code} == {"model_timeout"}


def test_token_counts_of_endpoints_are_approximate_but_never_zero_for_text():
    embedder = make("http://127.0.0.1:1/v1")
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("a") == 1
    assert 200 <= embedder.count_tokens("word " * 200) <= 300


def test_an_openai_model_without_endpoint_says_what_to_set():
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        OpenAIEmbedder("text-embedding-3-small", base_url="", api_key="")


def test_the_same_name_is_the_same_embedder():
    name = "local:all-MiniLM-L6-v2"
    assert get_embedder(name) is get_embedder(name)
    assert (get_embedder(name).dimension, get_embedder(name).max_tokens) == (384, 256)


@pytest.mark.parametrize("name", ["", "local:other", "openai:", "fastembed:", "nothing:at-all"])
def test_an_unknown_name_is_an_invalid_request(name):
    with pytest.raises(InvalidRequest) as caught:
        get_embedder(name)
    assert caught.value.extra == {"field": "embedding_model"}


def test_a_model_that_fastembed_does_not_have_is_an_invalid_request():
    with pytest.raises(InvalidRequest, match="fastembed has no embedding model"):
        get_embedder("fastembed:nobody/nothing")


def test_a_fastembed_model_that_is_not_in_its_cache_says_how_to_fetch_it(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    embedder = FastembedEmbedder("BAAI/bge-small-en-v1.5")
    assert embedder.dimension == 384
    with pytest.raises(ConfigurationError, match="fetch it with"):
        embedder.embed(["text"])
