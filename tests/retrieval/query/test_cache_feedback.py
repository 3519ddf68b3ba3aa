"""A thumbs-down takes an answer out of the cache, and two questions apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from retrieval.services.feedback import rate_answer
from tenants.context import tenant_context
from tests.retrieval.query.asking import answered
from tests.retrieval.query.kept_answers import entries, model_calls

pytestmark = pytest.mark.usefixtures("loop_resources")
OTHER_WORDS = "How can I reset my password?"


@sync_to_async
def rate(caller, given, rating="down"):
    with tenant_context(caller.tenant):
        rate_answer(trace_id=given["id"], rating=rating, rated_by="tester")


@sync_to_async
def redis_answers(caller):
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return client.keys(f"ragadmin:tenant:{caller.tenant.id}:answer*")


async def test_a_rated_answer_is_not_given_again(asker):
    given = await answered(asker)
    await rate(asker, given)
    assert await redis_answers(asker) == []
    assert (await answered(asker))["cache"] == "none"
    assert await model_calls(asker) == 2


async def test_the_models_own_reply_is_forgotten_too(asker):
    query = replace(asker.tenant.query, llm_cache=True)
    asker = replace(asker, tenant=replace(asker.tenant, query=query))
    given = await answered(asker)
    await rate(asker, await answered(asker))
    again = await answered(asker)
    assert (given["cache"], again["cache"]) == ("none", "none")
    assert await model_calls(asker) == 2


async def test_the_rating_of_a_hit_evicts_the_entry_that_it_came_from(asker):
    await answered(asker)
    await rate(asker, await answered(asker))
    assert (await answered(asker))["cache"] == "none"


async def test_it_is_gone_for_every_access_level_it_was_known_to(asker):
    outsider = replace(asker, access_levels=("public",), label="outsider")
    await answered(asker, top_k=1)
    hit = await answered(outsider, top_k=1)
    assert hit["cache"] == "exact"
    await rate(outsider, hit)
    assert await redis_answers(asker) == []
    assert (await answered(asker, top_k=1))["cache"] == "none"


async def test_two_questions_of_a_wrong_hit_are_never_taken_for_each_other_again(asker):
    await answered(asker)
    wrong = await answered(asker, OTHER_WORDS)
    assert wrong["cache"] == "semantic"
    await rate(asker, wrong)
    assert (await answered(asker))["cache"] == "none", "evicted, and made anew"
    assert (await answered(asker, OTHER_WORDS))["cache"] == "none"
    assert (
        (await answered(asker))["cache"] == (await answered(asker, OTHER_WORDS))["cache"] == "exact"
    )


async def test_the_pair_holds_in_the_other_direction_and_for_other_access_levels(asker):
    await answered(asker, top_k=1)
    await rate(asker, await answered(asker, OTHER_WORDS, top_k=1))
    outsider = replace(asker, access_levels=("public",), label="outsider")
    assert (await answered(outsider, OTHER_WORDS, top_k=1))["cache"] == "none"
    assert (await answered(outsider, top_k=1))["cache"] == "none"


async def test_a_rating_taken_back_allows_the_pair_but_brings_nothing_back(asker):
    await answered(asker)
    hit = await answered(asker, OTHER_WORDS)
    await rate(asker, hit)
    await rate(asker, hit, "up")
    (entry,) = await entries(asker)
    assert entry.evicted_at is not None
    assert (await answered(asker))["cache"] == "none"
    assert (await answered(asker, OTHER_WORDS))["cache"] == "semantic"


async def test_a_rating_of_an_older_answer_leaves_the_newer_one(asker):
    old = await answered(asker)
    await answered(asker, use_cache=False)
    await rate(asker, old)
    assert (await answered(asker))["cache"] == "exact"


async def test_a_thumbs_up_evicts_nothing(asker):
    await rate(asker, await answered(asker), "up")
    assert (await answered(asker))["cache"] == "exact"


async def test_with_redis_away_the_rating_holds_all_the_same(asker, own_redis):
    given = await answered(asker)
    own_redis.kill()
    await rate(asker, given)
    own_redis.start()  # with what it held when it was killed
    assert (await answered(asker))["cache"] == "none"
