"""Questions asked of real tenants through the read path, from tests that are not async themselves."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import httpx
from django.test import override_settings

from retrieval.mock_model.server import start_server
from retrieval.providers.reranker import close_reranker
from retrieval.query import breaker, shadow
from retrieval.query.clients import close_clients
from retrieval.query.redis_store import close_redis
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.pool import close_pool
from tenants.prices import set_price
from tenants.services import create_tenant
from tests.corpora import give_documents
from tests.retrieval.query.asking import answered
from tests.retrieval.query.conftest import MODEL, with_model

QUESTIONS = (
    "How do I reset my password?",
    "When are salaries paid?",
    "How long does a session last?",
    "What colour is the moon on Tuesdays?",
)


def make_tenant(timezone="UTC", **values):
    """Two small documents, and a price of the stub model in US dollars a million tokens."""
    tenant = create_tenant(slug=f"m-{uuid.uuid4().hex[:10]}", **values)
    tenant.timezone = timezone
    tenant.save()
    set_price(tenant=tenant, model=MODEL, input_usd=1000, output_usd=2000, actor=None)
    give_documents(tenant)
    return tenant


def caller_of(tenant, **query):
    config = tenant_config(tenant)
    config = replace(config, query=replace(config.query, **{"llm_cache": False, **query}))
    return Caller(config, ("public", "internal"), frozenset({"query"}), label="tester", user_id=1)


def ask_all(
    tenant,
    questions=QUESTIONS,
    model=MODEL,
    simulated=False,
    with_reranker=False,
    billed=None,
    **query,
):
    """Answers as they are told; None for one that failed. `query`: settings that differ. `billed`: what
    the stub counted of each model is put there."""

    # Out here, because each thread that asks the database holds a connection of the pool.
    asking = replace(caller_of(tenant, **query), is_simulated=simulated)

    async def run():
        server = await start_server("127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        caller = with_model(asking, url, model)
        reranker = f"http:{url}/rerank" if with_reranker else "none"
        try:
            with override_settings(RERANKER=reranker):
                answers = [await _ask(caller, question) for question in questions]
                await shadow.wait_for_samples()
            if billed is not None:
                async with httpx.AsyncClient() as client:
                    stats = await client.get(url.replace("/v1", "/mock/stats"))
                billed.update(stats.json()["billed"])
            return answers
        finally:
            breaker.forget_all()
            await close_clients()
            await close_reranker()
            await close_redis()
            await close_pool()
            server.close()
            await asyncio.sleep(0.01)  # the server hears that its callers have gone

    return asyncio.run(run())


async def _ask(caller, question):
    from ragadmin.errors import RagadminError

    try:
        return await answered(caller, question)
    except RagadminError:
        return None
