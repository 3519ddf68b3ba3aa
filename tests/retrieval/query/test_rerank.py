"""The reranker's order: a cross-encoder from a folder, HTTP endpoints of two shapes, and none."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from ragadmin import env
from ragadmin.errors import ConfigurationError
from retrieval.providers.reranker import (
    HttpReranker,
    close_reranker,
    get_reranker,
    is_own_network,
    read_scores,
)
from retrieval.query import rerank as stage
from retrieval.query.context import Notes
from retrieval.query.embed import embed_question
from retrieval.query.request import SearchRequest
from retrieval.query.retrieve import find_context
from tenants.config import PriceOverride
from tests.documents import upload_and_index
from tests.retrieval.query.small_cross_encoder import write_cross_encoder

QUESTION = "How do I reset my password, or is it paid by bank transfer?"
PASSWORDS, SALARIES = "guide/passwords.md", "finance/salaries.md"


@pytest.fixture(autouse=True)
async def rested(loop_resources, monkeypatch):
    monkeypatch.setattr(stage, "LONGEST_WAIT", 60)
    stage._rest.end()
    yield
    await close_reranker()


@pytest.fixture
def everything(corpus, caller):
    """The caller, whose search leaves nothing out of three documents."""
    offices = "# Offices\n\nThe office in Lisbon has a roof garden and eleven meeting rooms.\n"
    upload_and_index(corpus, {"offices.md": ("public", offices)})
    return replace(caller, tenant=replace(caller.tenant, min_similarity=0.0))


@pytest.fixture
def cross_encoder(tmp_path, settings):
    folder = write_cross_encoder(tmp_path / "encoder", ["salaries", "transfer", "bank"])
    settings.RERANKER = f"fastembed:{folder}"


@pytest.fixture
def http_reranker(mock_url, settings):
    settings.RERANKER = f"http:{mock_url}/rerank"
    return settings


async def find(caller, question=QUESTION, notes=None, **options):
    request = SearchRequest(question, **options)
    notes = notes or Notes()
    vector = await embed_question(caller, question)
    return await find_context(
        caller, request, question, vector, clock=notes.clock, reserve=notes.reserve
    )


def span_of(notes, kind):
    return next((span for span in notes.clock.spans if span.kind == kind), None)


async def test_a_cross_encoder_from_a_folder_decides_the_order(everything, cross_encoder):
    before = await find(everything, rerank=False)
    notes = Notes()
    after = await find(everything, notes=notes)
    assert before.hits[0].path == PASSWORDS
    assert after.hits[0].path == SALARIES
    scores = [hit.rerank_score for hit in after.hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    assert span_of(notes, "rerank").attributes["candidates"] == 3
    assert span_of(notes, "rerank").attributes["moved"] > 0
    assert [(call.kind, call.cost_usd) for call in after.calls] == [("rerank", Decimal(0))]


async def test_an_http_reranker_decides_the_order(everything, http_reranker):
    question = "by bank transfer each month of salaries: password"
    context = await find(everything, question)
    assert context.is_reranked
    assert context.hits[0].path == SALARIES
    assert context.hits[0].rerank_score > context.hits[-1].rerank_score
    assert [hit.rank for hit in context.hits] == [1, 2, 3]


async def test_a_search_and_a_tenant_may_do_without(everything, http_reranker):
    query = replace(everything.tenant.query, rerank=False)
    without = replace(everything, tenant=replace(everything.tenant, query=query))
    assert not (await find(everything, rerank=False)).is_reranked
    assert not (await find(without)).is_reranked
    assert (await find(without, rerank=True)).is_reranked


async def test_only_so_many_candidates_are_put_into_order(everything, http_reranker):
    query = replace(everything.tenant.query, rerank_candidates=2)
    few = replace(everything, tenant=replace(everything.tenant, query=query))
    context = await find(few)
    assert sorted(hit.rerank_score is None for hit in context.hits) == [False, False, True]
    assert context.hits[-1].rerank_score is None


@pytest.mark.parametrize("model", ["mock-error-500", "mock-garbage"])
async def test_a_failing_reranker_leaves_the_order_and_is_noted(everything, http_reranker, model):
    fused = await find(everything, rerank=False)
    http_reranker.RERANKER_MODEL = model
    context = await find(everything)
    assert context.degraded == ("reranker",)
    assert [hit.chunk_id for hit in context.hits] == [hit.chunk_id for hit in fused.hits]
    assert context.calls == ()


async def test_a_reranker_that_does_not_answer_is_left_alone_and_asked_again_later(
    everything, http_reranker, monkeypatch
):
    monkeypatch.setattr(stage, "LONGEST_WAIT", 0.1)
    http_reranker.RERANKER_MODEL = "mock-hang"
    assert (await find(everything)).degraded == ("reranker",)
    notes = Notes()
    assert (await find(everything, notes=notes)).degraded == ("reranker",)
    assert span_of(notes, "rerank") is None, "it is left alone for a moment"
    http_reranker.RERANKER_MODEL = ""
    monkeypatch.setattr(stage, "LONGEST_WAIT", 60)
    stage._rest.end()
    assert (await find(everything)).is_reranked


async def test_an_unreachable_reranker_is_done_without(everything, settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.RERANKER = f"http:http://127.0.0.1:{taken.getsockname()[1]}/rerank"
        assert (await find(everything)).degraded == ("reranker",)


async def test_a_missing_model_is_done_without(everything, settings, tmp_path):
    settings.RERANKER = f"fastembed:{tmp_path}/nothing"
    context = await find(everything)
    assert context.degraded == ("reranker",)
    assert context.hits


async def next_head(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def text_endpoint(asked):
    """Takes `texts` alone, as TEI does, and scores them by their length."""

    async def serve(reader, writer):
        while head := await next_head(reader):
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            asked.append((sorted(body), head))
            scores = [
                {"index": n, "score": len(text)} for n, text in enumerate(body.get("texts", []))
            ]
            answer = json.dumps(scores if scores else {"error": "missing field texts"}).encode()
            status = b"200 OK" if scores else b"422 Unprocessable"
            writer.write(
                b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(answer), answer)
            )
        writer.close()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rerank"
    await close_reranker()
    await ended.wait()
    server.close()


async def test_an_endpoint_that_takes_texts_is_understood_and_remembered(everything, settings):
    asked = []
    async with text_endpoint(asked) as url:
        settings.RERANKER, settings.RERANKER_API_KEY = url, "secret"
        first, second = await find(everything), await find(everything)
    lengths = [len(f"{hit.heading_path}\n{hit.text}") for hit in first.hits]
    assert lengths == sorted(lengths, reverse=True)
    assert first.hits == second.hits
    assert [("texts" in names, "documents" in names) for names, _ in asked] == [
        (False, True), (True, False), (True, False),
    ]  # fmt: skip
    assert all(b"bearer secret" in head.lower() for _, head in asked)


async def test_a_price_for_reranking_is_booked_and_reserved(everything, http_reranker):
    price = PriceOverride("rerank", "calls", Decimal("2.00"), Decimal(0))
    priced = replace(everything, tenant=replace(everything.tenant, prices=(price,)))
    asked = []

    async def refuse(amount):
        asked.append(amount)
        return False

    refused = await find(priced, notes=Notes(reserve=refuse))
    assert (refused.is_reranked, asked) == (False, [Decimal("0.002")])
    assert [call.cost_usd for call in (await find(priced)).calls] == [Decimal("0.002")]


@pytest.mark.parametrize(
    ("body", "scores"),
    [
        (b'[{"index": 1, "score": 2}, {"index": 0, "score": 1}]', [1, 2]),
        (b'{"results": [{"index": 1, "relevance_score": 0.5}]}', [float("-inf"), 0.5]),
    ],
)
def test_scores_come_back_in_the_order_of_the_texts(body, scores):
    assert read_scores(body, 2) == scores


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"{}", b"<html>", b'[{"index": 2, "score": 1}]', b'[{"index": -1, "score": 1}]',
        b'[{"index": 0, "score": NaN}]', b'[{"index": 0}]', b'{"results": [7]}',
    ],
)  # fmt: skip
def test_what_is_not_scores_is_an_error(body):
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_scores(body, 2)


def test_its_address_is_told_without_what_is_secret_in_it():
    reranker = HttpReranker("https://user:word@host.example:8443/rerank?key=secret")
    assert reranker.name == "https://host.example:8443/rerank"
    assert env.without_secrets("fastembed:/models/a") == "fastembed:/models/a"


@pytest.mark.parametrize("value", ["", "none"])
def test_without_a_setting_there_is_no_reranker(settings, monkeypatch, value):
    monkeypatch.setenv("RAGADMIN_RERANKER", value)
    settings.RERANKER = env.read_reranker("RAGADMIN_RERANKER")
    assert get_reranker() is None


@pytest.mark.parametrize(
    "value", ["fastembed", "fastembed:", "http:", "http:host", "yes", "http:http://[::1"]
)
def test_a_malformed_setting_is_told_in_one_line(monkeypatch, value):
    monkeypatch.setenv("RAGADMIN_RERANKER", value)
    with pytest.raises(ConfigurationError, match="RAGADMIN_RERANKER must be none, fastembed:NAME"):
        env.read_reranker("RAGADMIN_RERANKER")


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("::1", True), ("reranker", True),
        ("tei.svc.internal", True), ("8.8.8.8", False), ("api.jina.ai", False),
    ],
)  # fmt: skip
def test_our_own_network_is_known_by_number_and_name(host, own):
    assert is_own_network(host) is own
