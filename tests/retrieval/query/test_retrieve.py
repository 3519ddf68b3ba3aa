"""From a question to the passages that are shown: one path for answers and searches, which explains itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from ragadmin.errors import InvalidRequest
from retrieval.providers.reranker import close_reranker
from retrieval.query.answer import answer
from retrieval.query.budget import Purse
from retrieval.query.embed import embed_question
from retrieval.query.request import AnswerRequest, SearchRequest, parse_search, parse_tuning
from retrieval.query.retrieve import FEWER_PASSAGES, find_context, search_request
from retrieval.query.run import Run
from retrieval.query.searching import search_documents
from tenants.config import PriceOverride
from tenants.pool import pool_statistics
from tests.corpora import give_documents
from tests.documents import DOCUMENTS
from tests.retrieval.query.asking import changed
from tests.retrieval.query.conftest import with_model

pytestmark = pytest.mark.usefixtures("loop_resources")
QUESTION = "How do I reset my password?"
PASSWORDS = DOCUMENTS["guide/passwords.md"][1]


@pytest.fixture
def corpus(tenant):
    copy = {"old/passwords.md": ("public", PASSWORDS)}
    offices = {
        f"office{n}.md": (
            "public",
            f"# {place}\n\nThe office in {place} opens at {n + 7} o'clock.\n",
        )
        for n, place in enumerate(["Lisbon", "Oslo", "Turin", "Brno"])
    }
    others = " ".join(f"Sentence {n} is about the weather in town." for n in "abcdefghijklmnop")
    pool = {"pool.md": ("public", f"# Sports\n\nThe pool is open from nine to five. {others}\n")}
    give_documents(tenant, DOCUMENTS | copy | offices | pool)
    return tenant


@pytest.fixture
def everything(caller):
    return replace(caller, tenant=replace(caller.tenant, min_similarity=0.0))


def with_settings(caller, **values):
    query = replace(caller.tenant.query, **values)
    return replace(caller, tenant=replace(caller.tenant, query=query))


async def find(caller, question=QUESTION, **options):
    vector = await embed_question(caller, question)
    return await find_context(caller, SearchRequest(question, **options), question, vector)


async def ask(caller, question):
    request = AnswerRequest(question, use_cache=False)
    return [event async for event in answer(caller, request)][-1].answer


async def test_the_same_question_finds_the_same_twice(everything):
    for caller in (everything, with_settings(everything, mmr_lambda=0.5, neighbours=1)):
        assert await find(caller) == await find(caller)


async def test_a_copy_is_shown_once_and_leaves_its_place_to_another(everything):
    context = await find(everything, top_k=3)
    paths = [hit.path for hit in context.hits]
    assert len({"guide/passwords.md", "old/passwords.md"} & set(paths)) == 1
    assert len(paths) == 3
    assert [hit.rank for hit in context.hits] == [1, 2, 3]
    fates = {one.hit.path: one.fate for one in context.dropped}
    assert sorted(set(fates.values())) == ["duplicate", "ranked_out"]
    assert set(fates).isdisjoint(paths)


async def test_a_search_explains_every_candidate(everything):
    body = await search_documents(everything, SearchRequest(QUESTION, top_k=2, explain=True))
    keys = {
        "chunk_id", "document_id", "path", "text", "score", "similarity", "access_level", "rank",
        "heading_path", "ordinal", "vector_place", "keyword_place", "rerank_score", "shown", "fate",
    }  # fmt: skip
    candidates = body["hits"] + body["dropped"]
    assert all(set(hit) == keys for hit in candidates)
    assert {hit["fate"] for hit in body["hits"]} == {"shown"}
    assert body["hits"][0]["vector_place"] in {1, 2}
    assert body["hits"][0]["keyword_place"] in {1, 2}
    assert [span["kind"] for span in body["spans"]] == ["embed", "search"]
    assert len({hit["chunk_id"] for hit in candidates}) == len(candidates) == 7


async def test_a_search_says_how_near_the_best_passage_is_to_what_is_needed(everything):
    strict = changed(everything, min_similarity=0.2)
    near = await search_documents(strict, SearchRequest(QUESTION, explain=True))
    far = await search_documents(strict, SearchRequest("Volcanoes on Io?", explain=True))
    assert near["hits"]
    assert near["evidence"]["best"] >= near["evidence"]["needed"] > 0.2
    assert not far["hits"]
    assert far["evidence"]["best"] < far["evidence"]["needed"] == near["evidence"]["needed"]
    assert far["evidence"]["by"] == "evidence"


async def test_a_plain_search_has_the_contracts_keys_alone(everything):
    body = await search_documents(everything, SearchRequest(QUESTION))
    assert set(body) == {"hits", "reranked", "degraded", "duration_ms"}
    assert set(body["hits"][0]) == {
        "chunk_id", "document_id", "path", "text", "score", "similarity", "access_level", "rank",
    }  # fmt: skip


async def test_a_search_finds_what_an_answer_is_made_from(everything):
    answered = await ask(everything, QUESTION)
    wanted = parse_search({"question": QUESTION}, everything.tenant)
    body = await search_documents(everything, wanted)
    cited = {citation["chunk_id"] for citation in answered["citations"]}
    assert cited
    assert cited <= {hit["chunk_id"] for hit in body["hits"]}
    assert answered["similarity"]["max"] == max(hit["similarity"] for hit in body["hits"])


@pytest.mark.parametrize(("top_k", "fewer"), [(10, 5), (5, 2), (3, 2), (2, 2), (1, 1)])
def test_with_little_left_of_the_budget_fewer_passages_are_searched_for(caller, top_k, fewer):
    request = AnswerRequest(QUESTION, top_k=top_k)
    assert search_request(Run(caller, request, QUESTION, Purse())).top_k == top_k
    purse = Purse(step=FEWER_PASSAGES)
    assert search_request(Run(caller, request, QUESTION, purse)).top_k == fewer


async def test_passages_are_shortened_for_a_model_and_not_for_quotes(everything, mock_url):
    asking = with_model(everything, mock_url, "mock")
    question = "When is the pool open?"
    quoted, told = await find(everything, question), await find(asking, question)
    assert quoted.saved_tokens == 0
    assert told.saved_tokens > 100
    assert told.hits[0].text == quoted.hits[0].text
    assert "from nine to five" in told.hits[0].shown
    assert len(told.hits[0].shown) < len(told.hits[0].text)


async def test_what_compression_saved_is_told_where_a_model_answered(everything, mock_url):
    question = "When is the pool open?"
    price = PriceOverride("mock-0-5-0", "tokens", Decimal(1000), Decimal(0))
    asking = with_model(everything, mock_url, "mock-0-5-0")
    asking = replace(asking, tenant=replace(asking.tenant, prices=(price,)))
    told, quoted = await ask(asking, question), await ask(everything, question)
    assert told["saved_tokens"] > 100
    assert told["saved"]["compression"] == told["saved_tokens"] / 1000
    assert (quoted["saved_tokens"], quoted["saved"]) == (0, {})


async def test_no_connection_is_held_while_a_reranker_is_waited_for(everything, mock_url, settings):
    settings.RERANKER, settings.RERANKER_MODEL = f"http:{mock_url}/rerank", "mock-hang"
    searching = asyncio.create_task(find(everything))
    async with asyncio.timeout(2):
        while not searching.done():
            statistics = pool_statistics()
            if statistics and statistics["pool_available"] == statistics["pool_size"]:
                break
            await asyncio.sleep(0.01)
    assert not searching.done()
    assert (await searching).degraded == ("reranker",)
    await close_reranker()


@pytest.mark.parametrize(
    "changes",
    [{"top_k": 0}, {"top_k": 10**9}, {"top_k": "5"}, {"min_similarity": 2}, {"min_similarity": "x"},
     {"mmr_lambda": 7}, {"colour": "red"}],
)  # fmt: skip
def test_settings_that_cannot_be_are_not_tried(caller, changes):
    with pytest.raises(InvalidRequest):
        parse_tuning({"settings": changes}, replace(caller, may_tune=True))


def test_a_search_is_as_the_tenant_has_it_unless_it_says_otherwise(caller):
    tenant = with_settings(caller, search_mode="keyword").tenant
    tenant = replace(tenant, top_k=9)
    plain = parse_search({"question": "q"}, tenant)
    assert (plain.mode, plain.top_k, plain.rerank, plain.explain) == ("keyword", 5, None, False)
    tried = parse_search({"question": "q", "settings": {"top_k": 9}, "rerank": False}, tenant)
    assert (tried.top_k, tried.rerank, tried.explain) == (9, False, True)
