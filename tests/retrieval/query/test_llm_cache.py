"""The same request to the same model is paid for once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from retrieval.query.asking import Prompt
from retrieval.query.budget import Purse
from retrieval.query.llm_cache import _digest, reply_key
from retrieval.query.request import AnswerRequest
from retrieval.query.routing import Choice
from retrieval.query.run import Run
from retrieval.types import Message
from tenants.config import PriceOverride
from tenants.pool import tenant_transaction
from tests.retrieval.query.asking import answered, ask, changed, sent_to
from tests.retrieval.query.conftest import with_model

pytestmark = pytest.mark.usefixtures("loop_resources")
MODEL = "mock-0-9-0"


@pytest.fixture
def asker(caller, mock_url):
    """Keeps no answers, so that only the model's replies are; with a price."""
    price = PriceOverride(MODEL, "tokens", Decimal(100), Decimal(200))
    return changed(with_model(caller, mock_url, MODEL), query={"cache": False}, prices=(price,))


async def test_a_second_answer_comes_from_the_cache_and_says_so(asker, mock_url):
    first, second = await answered(asker), await answered(asker)
    assert len(await sent_to(mock_url)) == 1
    assert (first["cache"], second["cache"]) == ("none", "llm")
    assert second["answer"] == first["answer"]
    assert second["citations"] == first["citations"]
    assert second["cached_at"]
    assert second["model"] == MODEL


async def test_both_traces_keep_the_prompt_as_it_was_sent(asker, mock_url):
    ids = [(await answered(asker))["id"] for _ in range(2)]
    (sent,) = await sent_to(mock_url)
    async with tenant_transaction(asker.tenant) as connection:
        query = "SELECT prompt FROM retrieval_querytrace WHERE id = ANY(%s)"
        rows = await (await connection.execute(query, [ids])).fetchall()
    assert [row["prompt"] for row in rows] == [sent["messages"]] * 2


async def test_what_it_cost_then_is_saved_now(asker):
    first, second = await answered(asker), await answered(asker)
    assert second["cost_usd"]["total"] == 0
    assert second["saved"]["cache"] == pytest.approx(first["cost_usd"]["generation"])
    assert second["usage"]["input_tokens"] == 0


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"stop": ("zzz",)}, {"max_tokens": 7}])
async def test_other_parameters_are_another_request(asker, mock_url, change):
    await answered(asker)
    await answered(asker, **change)
    assert len(await sent_to(mock_url)) == 2


async def test_other_passages_are_another_request(asker, mock_url):
    public = replace(asker, access_levels=("public",))
    await answered(asker, "When are salaries paid and passwords reset?")
    done = await answered(public, "When are salaries paid and passwords reset?")
    assert done["cache"] == "none"
    assert "25th" not in done["answer"]
    assert len(await sent_to(mock_url)) == 2


async def test_fresh_means_fresh_and_replaces_what_was_kept(asker, mock_url):
    await answered(asker)
    assert (await answered(asker, use_cache=False))["cache"] == "none"
    assert len(await sent_to(mock_url)) == 2
    assert (await answered(asker))["cache"] == "llm"


async def test_a_tenant_may_keep_nothing(asker, mock_url):
    asker = changed(asker, query={"llm_cache": False})
    for _ in range(2):
        assert (await answered(asker))["cache"] == "none"
    assert len(await sent_to(mock_url)) == 2


async def test_a_broken_off_answer_is_not_kept(caller, mock_url):
    asker = changed(with_model(caller, mock_url, "mock-drop-3"), query={"cache": False})
    for _ in range(2):
        await ask(asker)
    assert len(await sent_to(mock_url)) == 2


async def test_a_kept_reply_is_given_while_the_model_is_away(asker, mock_url):
    first = await answered(asker)
    asker = changed(asker, prices=(), budgets=())
    assert (await answered(asker))["answer"] == first["answer"]
    assert len(await sent_to(mock_url)) == 1


async def test_without_redis_the_model_answers_and_it_is_noted(asker, own_redis):
    own_redis.kill()
    done = await answered(asker)
    assert (done["cache"], done["model"]) == ("none", MODEL)
    assert "redis" in done["degraded"]


def key(caller, *, model=MODEL, content="hello", **parameters):
    run = Run(caller, AnswerRequest("q"), "q", Purse())
    endpoint = caller.tenant.endpoint
    prompt = Prompt((Message("user", content),), **{"max_tokens": 9, **parameters})
    return reply_key(run.caller.tenant.id, _digest(Choice(model, endpoint), prompt))


def test_a_key_is_of_one_tenant_and_of_all_that_is_sent(asker):
    other = changed(asker, id=asker.tenant.id + 1)
    elsewhere = changed(asker, endpoint=replace(asker.tenant.endpoint, base_url="http://x/v1"))
    keys = {
        key(asker), key(other), key(elsewhere), key(asker, model="m"), key(asker, content="hi"),
        key(asker, max_tokens=8), key(asker, temperature=0.0), key(asker, stop=("x",)),
    }  # fmt: skip
    assert len(keys) == 8
    assert key(asker) == key(asker)
    assert str(asker.tenant.id) in key(asker)
