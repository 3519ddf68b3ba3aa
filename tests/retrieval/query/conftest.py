"""Two small documents at two access levels, indexed for real, and callers who may read them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from psycopg import AsyncConnection

from ragadmin.embedded.redis import EmbeddedRedis
from retrieval.mock_model.server import start_server
from retrieval.query import breaker
from retrieval.query.clients import close_clients
from retrieval.query.redis_store import close_redis
from tenants.access import tenant_config
from tenants.config import Caller, ModelEndpoint, PriceOverride
from tenants.pool import close_pool
from tests.corpora import give_documents
from tests.retrieval.query.asking import changed

MODEL = "mock-0-12-0"


@pytest.fixture
def corpus(tenant):
    give_documents(tenant)
    return tenant


@pytest.fixture
def caller(corpus):
    return Caller(
        tenant=tenant_config(corpus),
        access_levels=("public", "internal"),
        scopes=frozenset({"query"}),
        label="tester",
        user_id=1,
    )


@pytest.fixture
def public_caller(caller):
    return replace(caller, access_levels=("public",), label="outsider", user_id=2)


@pytest.fixture
def asker(caller, mock_url):
    """Asks a model whose price is known, and which is asked anew unless an answer is kept."""
    asking = with_model(caller, mock_url, MODEL)
    price = PriceOverride(MODEL, "tokens", Decimal(1000), Decimal(2000))
    return changed(asking, prices=(price,), query={"llm_cache": False})


@pytest.fixture
async def loop_resources():
    """Closes what the hot path keeps for each event loop, and forgets which models failed."""
    yield
    breaker.forget_all()
    await close_clients()
    await close_redis()
    await close_pool()


@pytest.fixture
async def mock_url(loop_resources):
    server = await start_server("127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    await close_clients()
    server.close()


class OwnRedis:
    """One test's own server, to be killed, held and started again."""

    def __init__(self, folder):
        self._server = EmbeddedRedis(folder / "redis", "own")
        self._server.initialise()
        self.url = self._server.url
        self.start()

    def start(self):
        service = self._server.service()
        self.process = service.start()
        service.wait_until_ready(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path, settings, loop_resources):
    redis = OwnRedis(tmp_path)
    settings.REDIS_URL = redis.url
    yield redis
    redis.kill()


@pytest.fixture
def statements(monkeypatch):
    """What the hot path sends to Postgres, as it sends it."""
    sent, execute = [], AsyncConnection.execute

    async def noted(self, query, *args, **kwargs):
        text = query if isinstance(query, str) else query.as_string(self)
        sent.append(" ".join(text.split()))
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(AsyncConnection, "execute", noted)
    return sent


def with_model(caller, url, model):
    endpoint = ModelEndpoint("mock", url, "any", model, model)
    return replace(caller, tenant=replace(caller.tenant, endpoint=endpoint))
