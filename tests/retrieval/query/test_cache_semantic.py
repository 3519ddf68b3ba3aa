"""A question in other words."""

from __future__ import annotations

import pytest

from tests.retrieval.query.asking import QUESTION, answered, changed
from tests.retrieval.query.kept_answers import entries, forget_redis, model_calls

pytestmark = pytest.mark.usefixtures("loop_resources")
OTHER_WORDS = "How can I reset my password?"


async def test_the_same_in_other_words_is_answered_from_the_cache(asker):
    first = await answered(asker)
    again = await answered(asker, OTHER_WORDS)
    assert (again["cache"], again["answer"]) == ("semantic", first["answer"])
    assert 0.75 <= again["cache_similarity"] < 1
    assert again["question"] == OTHER_WORDS
    assert await model_calls(asker) == 1
    assert len(await entries(asker)) == 1, "no second entry for the same answer"


async def test_a_hit_by_meaning_saves_all_but_its_own_embedding(asker):
    first = await answered(asker)
    again = await answered(asker, OTHER_WORDS)
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
    await answered(asker)
    assert (await answered(asker, near))["cache"] == "none"


async def test_below_the_threshold_nothing_is_taken_over(asker):
    await answered(asker)
    strict = changed(asker, query={"similarity_threshold": 1.0})
    assert (await answered(strict, OTHER_WORDS))["cache"] == "none"


async def test_without_the_semantic_cache_only_the_same_question_is_a_hit(asker):
    plain = changed(asker, query={"semantic_cache": False})
    await answered(plain)
    await forget_redis(plain)
    assert (await answered(plain))["cache"] == "exact"
    assert (await answered(plain, OTHER_WORDS))["cache"] == "none"


async def test_a_hit_by_meaning_is_one_transaction_beside_the_trace(asker, statements):
    await answered(asker)
    statements.clear()
    assert (await answered(asker, OTHER_WORDS))["cache"] == "semantic"
    asked, begun, nearest, pair, looked, ended = statements
    assert "INSERT INTO" in asked
    assert begun.startswith("BEGIN")
    # The nearest, and whether the two were called a wrong pair; no search.
    assert "retrieval_cacheentry" in nearest
    assert "not_for" in pair
    assert looked == "COMMIT"
    assert ended.startswith("BEGIN")
    assert ended.endswith("COMMIT")


async def test_the_same_question_goes_before_one_that_is_near(asker):
    near = await answered(asker, OTHER_WORDS, use_cache=False)
    own = await answered(asker, QUESTION, use_cache=False)
    await forget_redis(asker)
    given = await answered(asker, QUESTION)
    assert given["cache"] == "exact"
    made = {str(entry.trace_id): entry for entry in await entries(asker)}
    assert made[own["id"]].question == QUESTION
    assert near["id"] in made
