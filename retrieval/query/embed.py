"""The question's vector, made while the question is being stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from retrieval.providers.embedders import get_embedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from retrieval.query.run import Run
    from tenants.config import Caller


def start_embedding(run: Run) -> None:
    """Not of what may be a follow-up: that is put into other words first."""
    if not run.request.history and run.request.conversation_id is None:
        run.embedding = asyncio.create_task(_embed(run))


async def question_vector(run: Run) -> np.ndarray:
    """The unit vector of `run.question`. Raises ProviderError."""
    if run.vector is None:
        task = run.embedding or asyncio.create_task(_embed(run))
        run.embedding = task
        run.vector = await task
    return run.vector


async def embed_texts(caller: Caller, texts: Sequence[str]) -> np.ndarray:
    """Unit vectors, float32 of shape (len(texts), dimension). Raises ProviderError."""
    return await get_embedder(caller.tenant.embedding_model).embed_questions(texts)


async def embed_question(caller: Caller, question: str) -> np.ndarray:
    """One unit vector. Raises ProviderError."""
    return (await embed_texts(caller, [question]))[0]


async def _embed(run: Run) -> np.ndarray:
    with run.clock.span("embed", model=run.caller.tenant.embedding_model):
        return await embed_question(run.caller, run.question)
