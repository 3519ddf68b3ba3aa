"""What one web process opens when it starts and closes when it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from ragadmin.errors import RagadminError
from retrieval.providers.cross_encoder import CrossEncoder
from retrieval.providers.embedders import close_embedders, get_embedder
from retrieval.providers.reranker import close_reranker, get_reranker
from retrieval.query.clients import close_clients
from retrieval.query.redis_store import close_redis
from retrieval.query.shadow import close_shadows
from tenants import revision
from tenants.pool import close_pool, open_pool

if TYPE_CHECKING:
    from starlette.types import Receive, Send

log = structlog.get_logger("ragadmin.lifespan")


async def serve(receive: Receive, send: Send) -> None:
    """Speaks ASGI's lifespan protocol."""
    background: list[asyncio.Task[None]] = []
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await open_pool()
            background += [
                asyncio.create_task(_warm_embedder()),
                asyncio.create_task(_warm_reranker()),
                asyncio.create_task(revision.watch()),
            ]
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            for task in background:
                task.cancel()
            await close_all()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def close_all() -> None:
    """Whatever this event loop's questions have opened."""
    await close_shadows()
    await close_clients()
    await close_embedders()
    await close_reranker()
    await close_redis()
    await close_pool()


async def _warm_embedder() -> None:
    """So that the first question does not wait for the model to load."""
    try:
        await get_embedder(settings.EMBEDDING_MODEL).embed_questions(["ready"])
    except RagadminError as error:
        log.warning("embedding_model_not_ready", reason=error.message)


async def _warm_reranker() -> None:
    """Loading a model takes longer than a question waits. An endpoint is not asked for nothing."""
    reranker = get_reranker()
    if not isinstance(reranker, CrossEncoder):
        return
    try:
        await reranker.score("ready", ["ready"])
    except RagadminError as error:
        log.warning("reranker_not_ready", reason=error.message)
