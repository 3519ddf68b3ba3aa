"""The same question again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from psycopg import AsyncConnection

from retrieval.query import embed, redis_store
from tests.retrieval.query.conftest import MODEL, with_model
from tests.retrieval.query.kept_answers import (
    QUESTION,
    ask,
    change_entries,
    entries,
    forget_redis,
    model_calls,
    traces,
    with_setting,
)

pytestmark = pytest.mark.usefixtures("loop_resources")


async def test_the_same_question_is_answered_again_without_a_model(asker):
    first = await ask(asker)
    again = await ask(asker)
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
    await ask(asker)
    assert (await ask(asker, other))["cache"] == "exact"


async def test_a_hit_costs_nothing_and_says_what_it_saved(asker):
    first = await ask(asker)
    again = await ask(asker)
    assert first["cost_usd"]["generation"] > 0
    assert again["cost_usd"]["total"] == 0
    assert again["saved"]["cache"] == pytest.approx(first["cost_usd"]["total"])
    assert again["usage"]["input_tokens"] == again["usage"]["output_tokens"] == 0
    trace = (await traces(asker))[-1]
    assert (
        Decimal(trace.saved["cache"]) == trace.saved_usd == (await traces(asker))[0].total_cost_usd
    )


async def test_both_traces_name_the_entry(asker):
    await ask(asker)
    await ask(asker)
    made, served = await traces(asker)
    (entry,) = await entries(asker)
    assert made.cache_entry_id == served.cache_entry_id == entry.id
    assert entry.trace_id == made.id
    assert (served.cache, served.status, served.calls) == ("exact", "succeeded", [])
    assert served.cached_at is not None
    assert [hit["chunk_id"] for hit in served.hits] == [hit["chunk_id"] for hit in made.hits]


async def test_an_exact_hit_is_one_look_into_redis_and_one_transaction(asker, monkeypatch):
    await ask(asker)
    statements, looks = [], []
    execute, get_bytes = AsyncConnection.execute, redis_store.get_bytes

    async def counted(self, query, *args, **kwargs):
        text = query if isinstance(query, str) else query.as_string(self)
        statements.append(" ".join(text.split())[:12])
        return await execute(self, query, *args, **kwargs)

    async def looked(key):
        looks.append(key)
        return await get_bytes(key)

    def embedded(run):
        raise AssertionError("an exact hit embeds nothing")

    monkeypatch.setattr(AsyncConnection, "execute", counted)
    monkeypatch.setattr(redis_store, "get_bytes", looked)
    monkeypatch.setattr(embed, "_embed", embedded)
    assert (await ask(asker))["cache"] == "exact"
    assert statements == ["BEGIN;SELECT", "SELECT 1 FRO", "INSERT INTO ", "COMMIT"]
    assert len(looks) == 1


async def test_what_redis_has_lost_is_found_again_and_is_still_the_same_question(asker):
    await ask(asker)
    await forget_redis(asker)
    again = await ask(asker)
    assert (again["cache"], again["cache_similarity"]) == ("exact", None)
    assert await model_calls(asker) == 1
    assert [span["kind"] for span in (await ask(asker))["spans"]] == ["cache"], "Redis has it back"


async def test_without_redis_the_same_question_is_still_answered_from_the_cache(asker, own_redis):
    await ask(asker)
    own_redis.kill()
    again = await ask(asker)
    assert again["cache"] == "exact"
    assert again["degraded"] == ["redis"]


async def test_who_asks_for_it_fresh_gets_it_fresh_and_the_next_one_too(asker):
    await ask(asker)
    (before,) = await entries(asker)
    fresh = await ask(asker, use_cache=False)
    (after,) = await entries(asker)
    assert fresh["cache"] == "none"
    assert await model_calls(asker) == 2
    assert after.id != before.id
    again = await ask(asker)
    assert (again["cache"], again["cached_at"]) == ("exact", after.answer["cached_at"])


async def test_with_the_cache_switched_off_nothing_is_kept_or_served(asker):
    without = with_setting(asker, cache=False)
    await ask(without)
    assert await entries(asker) == []
    await ask(asker)
    assert (await ask(without))["cache"] == "none"


@pytest.mark.parametrize(
    "options", [{"top_k": 1}, {"max_tokens": 5}, {"temperature": 0.5}, {"stop": ("x",)},
                {"filters": (("path_prefix", "guide/"),)}, {"model": MODEL}]
)  # fmt: skip
async def test_what_is_asked_for_otherwise_is_another_answer(asker, options):
    await ask(asker)
    assert (await ask(asker, **options))["cache"] == "none"
    assert (await ask(asker, **options))["cache"] == "exact"


@pytest.mark.parametrize("state", ["evicted_at", "expires_at"])
async def test_an_evicted_or_expired_entry_is_not_served_though_redis_has_it(asker, state):
    from django.utils import timezone

    await ask(asker)
    await change_entries(asker, **{state: timezone.now()})
    assert (await ask(asker))["cache"] == "none"
    assert (await ask(asker))["cache"] == "exact", "and the new answer is kept in its place"


async def test_a_shorter_time_to_live_counts_for_what_was_kept_before(asker):
    from datetime import timedelta

    from django.utils import timezone

    await ask(asker)
    await change_entries(asker, created_at=timezone.now() - timedelta(minutes=30))
    assert (await ask(asker))["cache"] == "exact"
    assert (await ask(with_setting(asker, cache_ttl_minutes=20)))["cache"] == "none"


async def test_a_failed_answer_is_not_kept(caller, mock_url):
    broken = with_model(caller, mock_url, "mock-drop-3")
    with pytest.raises(Exception, match="."):
        await ask(broken)
    assert await entries(caller) == []


async def test_a_question_that_nothing_was_found_for_is_not_kept(asker):
    await ask(asker, "Which galaxies orbit Andromeda?")
    assert await entries(asker) == []


async def test_a_follow_up_is_never_taken_for_the_same_words_by_themselves(asker):
    plain = with_setting(asker, rewrite_follow_ups=False)
    follow_up = "And how long is that valid for a password?"
    alone = await ask(plain, follow_up)
    first = await ask(plain, starts_conversation=True)
    before = await entries(plain)
    said_on = await ask(plain, follow_up, conversation_id=first["conversation_id"])
    assert (alone["cache"], said_on["cache"]) == ("none", "none")
    assert await entries(plain) == before, "an answer with a history in its prompt is not kept"


async def test_a_question_that_stands_alone_is_a_hit_within_a_conversation_too(asker):
    question = "For how many hours is the link valid that resets a password?"
    first = await ask(asker, question, starts_conversation=True)
    again = await ask(asker, question, conversation_id=first["conversation_id"])
    assert (again["cache"], again["conversation_id"]) == ("exact", first["conversation_id"])


async def test_the_first_question_of_a_conversation_may_be_a_hit_and_begins_it(asker):
    await ask(asker)
    hit = await ask(asker, starts_conversation=True)
    assert hit["cache"] == "exact"
    assert hit["conversation_id"] is not None
    assert str((await traces(asker))[-1].conversation_id) == hit["conversation_id"]


async def test_what_was_answered_with_little_left_of_a_budget_is_not_kept(asker, monkeypatch):
    from retrieval.query import answer as path
    from retrieval.query.budget import Purse

    async def tight(caller):
        return Purse(step="small_model")

    monkeypatch.setattr(path, "open_purse", tight)
    await ask(asker)
    assert await entries(asker) == []


def test_question_of_marks_alone_are_told_apart():
    from retrieval.query.config_hash import fold_question

    assert fold_question("???") != fold_question("!!!")
    assert fold_question(QUESTION) == fold_question(QUESTION.upper())
