"""A question in other words."""

from __future__ import annotations

import pytest
from psycopg import AsyncConnection

from retrieval.providers.embedders import get_embedder
from tests.retrieval.query.kept_answers import (
    QUESTION,
    ask,
    entries,
    forget_redis,
    model_calls,
    with_setting,
)

pytestmark = pytest.mark.usefixtures("loop_resources")
OTHER_WORDS = "How can I reset my password?"


async def test_the_same_in_other_words_is_answered_from_the_cache(asker):
    first = await ask(asker)
    again = await ask(asker, OTHER_WORDS)
    assert (again["cache"], again["answer"]) == ("semantic", first["answer"])
    assert 0.75 <= again["cache_similarity"] < 1
    assert again["question"] == OTHER_WORDS
    assert await model_calls(asker) == 1
    assert len(await entries(asker)) == 1, "no second entry for the same answer"


async def test_a_hit_by_meaning_saves_all_but_its_own_embedding(asker):
    first = await ask(asker)
    again = await ask(asker, OTHER_WORDS)
    assert again["cost_usd"]["generation"] == 0
    assert again["saved"]["cache"] == pytest.approx(first["cost_usd"]["generation"])


@pytest.mark.parametrize(
    "near",
    [
        "How do I not reset my password?",
        "How do I reset my two passwords?",
        "Why do I reset my password?",
        "How do I change the owner of my password?",
    ],
)
async def test_what_is_near_but_means_something_else_is_asked_anew(asker, near):
    await ask(asker)
    assert (await ask(asker, near))["cache"] == "none"


async def test_below_the_threshold_nothing_is_taken_over(asker):
    await ask(asker)
    strict = with_setting(asker, similarity_threshold=1.0)
    assert (await ask(strict, OTHER_WORDS))["cache"] == "none"


async def test_without_the_semantic_cache_only_the_same_question_is_a_hit(asker):
    plain = with_setting(asker, semantic_cache=False)
    await ask(plain)
    await forget_redis(plain)
    assert (await ask(plain))["cache"] == "exact"
    assert (await ask(plain, OTHER_WORDS))["cache"] == "none"


async def test_without_an_embedder_the_same_question_is_still_found(asker, monkeypatch):
    from ragadmin.errors import ProviderError

    async def away(texts):
        raise ProviderError("The embedder is away.")

    await ask(asker)
    await forget_redis(asker)
    monkeypatch.setattr(get_embedder(asker.tenant.embedding_model), "embed_questions", away)
    assert (await ask(asker))["cache"] == "exact"


async def test_a_hit_by_meaning_is_one_transaction_beside_the_trace(asker, monkeypatch):
    await ask(asker)
    messages = []
    execute = AsyncConnection.execute

    async def counted(self, query, *args, **kwargs):
        text = query if isinstance(query, str) else query.as_string(self)
        messages.append(" ".join(text.split()))
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(AsyncConnection, "execute", counted)
    assert (await ask(asker, OTHER_WORDS))["cache"] == "semantic"
    asked, begun, nearest, pair, looked, ended = messages
    assert "INSERT INTO" in asked
    assert begun.startswith("BEGIN")
    # The nearest, and whether the two were called a wrong pair; no search.
    assert "retrieval_cacheentry" in nearest
    assert "not_for" in pair
    assert looked == "COMMIT"
    assert ended.startswith("BEGIN")
    assert ended.endswith("COMMIT")


async def test_the_same_question_goes_before_one_that_is_near(asker):
    near = await ask(asker, OTHER_WORDS, use_cache=False)
    own = await ask(asker, QUESTION, use_cache=False)
    await forget_redis(asker)
    given = await ask(asker, QUESTION)
    assert given["cache"] == "exact"
    made = {str(entry.trace_id): entry for entry in await entries(asker)}
    assert made[own["id"]].question == QUESTION
    assert near["id"] in made
