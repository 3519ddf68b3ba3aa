"""Vectors of questions are made once, kept in Redis for their tenant, and done without where it is away."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
import redis as sync_redis
from django.conf import settings as django_settings

from retrieval.providers.embedders import close_embedders, forget_embedder
from retrieval.query import embedding_cache
from retrieval.query.context import Notes
from retrieval.query.embed import embed_texts
from tenants.config import PriceOverride

pytestmark = pytest.mark.usefixtures("loop_resources")
QUESTION = "How long is a reset link valid?"


def span(notes):
    (found,) = notes.clock.spans
    return found.attributes


async def embed(caller, *texts):
    notes = Notes()
    return await embed_texts(caller, list(texts), notes), notes


def keys(pattern="*:embedding:*"):
    with sync_redis.Redis.from_url(django_settings.REDIS_URL) as client:
        return [(key.decode(), client.ttl(key), client.get(key)) for key in client.keys(pattern)]


async def test_a_question_is_embedded_once(caller):
    first, notes = await embed(caller, QUESTION)
    again, notes_again = await embed(caller, QUESTION)
    assert (span(notes)["cached"], span(notes_again)["cached"]) == (False, True)
    assert np.array_equal(first, again), "the same text searches alike, kept or not"
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-3)


async def test_only_what_is_missing_is_embedded(caller):
    alone, _ = await embed(caller, "one")
    both, notes = await embed(caller, "one", "two")
    assert span(notes)["cached"] is False
    assert np.array_equal(both[0], alone[0])
    two, _ = await embed(caller, "two")
    assert np.array_equal(both[1], two[0])


async def test_what_is_kept_is_no_text_but_a_vector_below_the_tenants_own_key(caller):
    question = "A question that nobody else asks"
    await embed(caller, question)
    kept = keys(f"ragadmin:tenant:{caller.tenant.id}:embedding:*")
    assert len(kept) == 1
    key, seconds, value = kept[0]
    assert question not in key
    assert len(value) == 2 * caller.tenant.embedding_dimension
    assert 0 < seconds <= embedding_cache.SECONDS


async def test_tenants_and_models_do_not_share(caller):
    await embed(caller, QUESTION)
    others = replace(caller.tenant, id=caller.tenant.id + 1)
    another_model = replace(caller.tenant, embedding_model="openai:other")
    for tenant in (others, another_model):
        assert await embedding_cache.look_up(tenant, [QUESTION]) == [None]
    assert (await embedding_cache.look_up(caller.tenant, [QUESTION]))[0] is not None


async def test_a_value_of_another_length_is_not_taken(caller):
    longer = replace(caller.tenant, embedding_dimension=768)
    await embed(caller, QUESTION)
    assert await embedding_cache.look_up(longer, [QUESTION]) == [None]


async def test_without_redis_questions_are_embedded_all_the_same(caller, own_redis):
    first, _ = await embed(caller, QUESTION)
    own_redis.kill()
    for _ in range(2):
        again, notes = await embed(caller, QUESTION)
        assert span(notes)["cached"] is False
        assert np.array_equal(first, again)


@pytest.fixture
async def paid(caller, mock_url, settings):
    """A caller whose embedding model is paid for, a dollar a million tokens."""
    settings.OPENAI_BASE_URL = mock_url
    forget_embedder("openai:mock-embedding")
    price = PriceOverride("mock-embedding", "tokens", Decimal("1.00"), Decimal(0))
    tenant = replace(caller.tenant, embedding_model="openai:mock-embedding", prices=(price,))
    yield replace(caller, tenant=tenant)
    await close_embedders()
    forget_embedder("openai:mock-embedding")


async def test_a_paid_vector_is_booked_once_and_then_saved(paid):
    question = "é" * 400  # as many tokens as the endpoint says, and not as bytes would have it
    _, first = await embed(paid, question)
    _, again = await embed(paid, question)
    assert [(call.kind, call.cost_usd) for call in first.calls] == [
        ("embedding", Decimal("0.0001"))
    ]
    assert (again.calls, again.saved_usd) == ([], Decimal("0.0002")), "estimated by its bytes"


async def test_what_serves_itself_and_has_no_price_is_free(paid):
    free = replace(paid, tenant=replace(paid.tenant, prices=()))
    _, notes = await embed(free, QUESTION)
    assert [call.cost_usd for call in notes.calls] == [Decimal(0)]


async def test_a_free_model_books_nothing(caller):
    _, notes = await embed(caller, QUESTION)
    assert (notes.calls, notes.saved_usd) == ([], 0)
