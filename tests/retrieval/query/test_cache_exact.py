"""The same question again."""

from __future__ import annotations

from decimal import Decimal

import pytest
import redis

from tests.retrieval.query.asking import QUESTION, answered, changed
from tests.retrieval.query.conftest import MODEL, with_model
from tests.retrieval.query.kept_answers import (
    change_entries,
    entries,
    forget_redis,
    model_calls,
    traces,
)

pytestmark = pytest.mark.usefixtures("loop_resources")


async def test_the_same_question_is_answered_again_without_a_model(asker):
    first = await answered(asker)
    again = await answered(asker)
    assert (first["cache"], again["cache"]) == ("none", "exact")
    for name in ("answer", "citations", "model", "tier", "route_reason", "similarity"):
        assert again[name] == first[name], name
    assert again["cached_at"] is not None
    assert again["cache_similarity"] is None
    assert again["id"] != first["id"]
    assert await model_calls(asker) == 1


@pytest.mark.parametrize(
    "other", ["how do i reset  my PASSWORD", " How do I reset my password ?! "]
)
async def test_case_blanks_and_closing_marks_make_no_other_question(asker, other):
    await answered(asker)
    assert (await answered(asker, other))["cache"] == "exact"


async def test_a_hit_costs_nothing_and_says_what_it_saved(asker):
    first = await answered(asker)
    again = await answered(asker)
    assert first["cost_usd"]["generation"] > 0
    assert again["cost_usd"]["total"] == 0
    assert again["saved"]["cache"] == pytest.approx(first["cost_usd"]["total"])
    assert again["usage"]["input_tokens"] == again["usage"]["output_tokens"] == 0
    trace = (await traces(asker))[-1]
    assert (
        Decimal(trace.saved["cache"]) == trace.saved_usd == (await traces(asker))[0].total_cost_usd
    )


async def test_both_traces_name_the_entry(asker):
    await answered(asker)
    await answered(asker)
    made, served = await traces(asker)
    (entry,) = await entries(asker)
    assert made.cache_entry_id == served.cache_entry_id == entry.id
    assert entry.trace_id == made.id
    assert (served.cache, served.status, served.calls) == ("exact", "succeeded", [])
    assert served.cached_at is not None
    assert [hit["chunk_id"] for hit in served.hits] == [hit["chunk_id"] for hit in made.hits]


async def test_an_exact_hit_is_one_look_into_redis_and_one_transaction(
    asker, own_redis, statements
):
    await answered(asker)
    statements.clear()
    with redis.Redis.from_url(own_redis.url) as server:
        server.config_resetstat()
        given = await answered(asker)
        looks = {name: of["calls"] for name, of in server.info("commandstats").items()}
    assert given["cache"] == "exact"
    assert [span["kind"] for span in given["spans"]] == ["cache"], "nothing is embedded"
    assert [each[:12] for each in statements] == [
        "BEGIN;SELECT", "SELECT 1 FRO", "INSERT INTO ", "COMMIT",
    ]  # fmt: skip
    assert looks["cmdstat_get"] == 1
    assert not looks.keys() & {"cmdstat_mget", "cmdstat_set"}


async def test_what_redis_has_lost_is_found_again_and_is_still_the_same_question(asker):
    await answered(asker)
    await forget_redis(asker)
    again = await answered(asker)
    assert (again["cache"], again["cache_similarity"]) == ("exact", None)
    assert await model_calls(asker) == 1
    assert [span["kind"] for span in (await answered(asker))["spans"]] == ["cache"], (
        "Redis has it back"
    )


async def test_without_redis_the_same_question_is_still_answered_from_the_cache(asker, own_redis):
    await answered(asker)
    own_redis.kill()
    again = await answered(asker)
    assert again["cache"] == "exact"
    assert again["degraded"] == ["redis"]


async def test_who_asks_for_it_fresh_gets_it_fresh_and_the_next_one_too(asker):
    await answered(asker)
    (before,) = await entries(asker)
    fresh = await answered(asker, use_cache=False)
    (after,) = await entries(asker)
    assert fresh["cache"] == "none"
    assert await model_calls(asker) == 2
    assert after.id != before.id
    again = await answered(asker)
    assert (again["cache"], again["cached_at"]) == ("exact", after.answer["cached_at"])


async def test_with_the_cache_switched_off_nothing_is_kept_or_served(asker):
    without = changed(asker, query={"cache": False})
    await answered(without)
    assert await entries(asker) == []
    await answered(asker)
    assert (await answered(without))["cache"] == "none"


@pytest.mark.parametrize(
    "options", [{"top_k": 1}, {"max_tokens": 5}, {"temperature": 0.5}, {"stop": ("x",)},
                {"filters": (("path_prefix", "guide/"),)}, {"model": MODEL}]
)  # fmt: skip
async def test_what_is_asked_for_otherwise_is_another_answer(asker, options):
    await answered(asker)
    assert (await answered(asker, **options))["cache"] == "none"
    assert (await answered(asker, **options))["cache"] == "exact"


@pytest.mark.parametrize("state", ["evicted_at", "expires_at"])
async def test_an_evicted_or_expired_entry_is_not_served_though_redis_has_it(asker, state):
    from django.utils import timezone

    await answered(asker)
    await change_entries(asker, **{state: timezone.now()})
    assert (await answered(asker))["cache"] == "none"
    assert (await answered(asker))["cache"] == "exact", "and the new answer is kept in its place"


async def test_a_shorter_time_to_live_counts_for_what_was_kept_before(asker):
    from datetime import timedelta

    from django.utils import timezone

    await answered(asker)
    await change_entries(asker, created_at=timezone.now() - timedelta(minutes=30))
    assert (await answered(asker))["cache"] == "exact"
    assert (await answered(changed(asker, query={"cache_ttl_minutes": 20})))["cache"] == "none"


async def test_a_failed_answer_is_not_kept(caller, mock_url):
    broken = with_model(caller, mock_url, "mock-drop-3")
    with pytest.raises(Exception, match="."):
        await answered(broken)
    assert await entries(caller) == []


async def test_a_question_that_nothing_was_found_for_is_not_kept(asker):
    await answered(asker, "Which galaxies orbit Andromeda?")
    assert await entries(asker) == []


async def test_a_follow_up_is_never_taken_for_the_same_words_by_themselves(asker):
    plain = changed(asker, query={"rewrite_follow_ups": False})
    follow_up = "And how long is that valid for a password?"
    alone = await answered(plain, follow_up)
    first = await answered(plain, starts_conversation=True)
    before = await entries(plain)
    said_on = await answered(plain, follow_up, conversation_id=first["conversation_id"])
    assert (alone["cache"], said_on["cache"]) == ("none", "none")
    assert await entries(plain) == before, "an answer with a history in its prompt is not kept"


async def test_a_question_that_stands_alone_is_a_hit_within_a_conversation_too(asker):
    question = "For how many hours is the link valid that resets a password?"
    first = await answered(asker, question, starts_conversation=True)
    again = await answered(asker, question, conversation_id=first["conversation_id"])
    assert (again["cache"], again["conversation_id"]) == ("exact", first["conversation_id"])


async def test_the_first_question_of_a_conversation_may_be_a_hit_and_begins_it(asker):
    await answered(asker)
    hit = await answered(asker, starts_conversation=True)
    assert hit["cache"] == "exact"
    assert hit["conversation_id"] is not None
    assert str((await traces(asker))[-1].conversation_id) == hit["conversation_id"]


async def test_what_was_answered_with_little_left_of_a_budget_is_not_kept(asker, monkeypatch):
    from retrieval.query import answer as path
    from retrieval.query.budget import Purse

    async def tight(caller):
        return Purse(step="small_model")

    monkeypatch.setattr(path, "open_purse", tight)
    await answered(asker)
    assert await entries(asker) == []


def test_question_of_marks_alone_are_told_apart():
    from retrieval.query.config_hash import fold_question

    assert fold_question("???") != fold_question("!!!")
    assert fold_question(QUESTION) == fold_question(QUESTION.upper())
