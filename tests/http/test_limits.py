"""A key that asks far more than it may, over HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import openai
import pytest

from tenants.keys import create_api_key
from tenants.models import Tenant
from tests.http.conftest import client_for, make_key

SEARCH = {"question": "How do I reset my password?"}


async def flood(url, key, count):
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=60, limits=limits
    ) as client:
        return await asyncio.gather(
            *(client.post("/api/v1/search/", json=SEARCH) for _ in range(count))
        )


def limited_key(tenant, limit):
    return create_api_key(tenant=tenant, name="site", scopes=["query"], questions_per_minute=limit)[
        1
    ]


def test_of_many_questions_at_once_the_allowed_number_passes(web, corpus):
    """More than there are connections, so that some are asked while others are refused."""
    answers = asyncio.run(flood(web.url, limited_key(corpus, 60), 250))
    assert Counter(each.status_code for each in answers) == {200: 60, 429: 190}
    refused = next(each for each in answers if each.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limited"
    assert "may ask 60 questions a minute" in refused.json()["error"]["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 60
    with client_for(web, make_key(corpus)) as other:
        assert other.post("/api/v1/search/", json=SEARCH).status_code == 200


def test_the_tenants_limit_counts_every_route_and_key(web, corpus):
    Tenant.objects.filter(pk=corpus.pk).update(questions_per_minute=3)
    key = make_key(corpus)
    with client_for(web, key) as client:
        assert client.post("/api/v1/answers/", json=SEARCH).status_code == 200
        assert client.post("/v1/embeddings", json={"input": "x"}).status_code == 200
        assert client.get("/v1/models").status_code == 200, "asks nothing"
    with client_for(web, make_key(corpus)) as client:
        last = client.post("/api/v1/search/", json=SEARCH)
        assert last.headers["x-ratelimit-limit-requests"] == "3"
        assert last.headers["x-ratelimit-remaining-requests"] == "0"
        assert client.post("/api/v1/answers/", json=SEARCH).status_code == 429
    asker = openai.OpenAI(base_url=f"{web.url}/v1", api_key=key, max_retries=0)
    with asker, pytest.raises(openai.RateLimitError) as refused:
        asker.chat.completions.create(model="auto", messages=[{"role": "user", "content": "x"}])
    assert refused.value.type == "rate_limit_error"
    assert f"The tenant {corpus.slug} may ask 3" in refused.value.message
