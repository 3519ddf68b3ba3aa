"""From a question to its recorded answer, top to bottom. Each stage is a span.

No database connection is held while an embedder, a model or Redis is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ragadmin.errors import RagadminError
from retrieval.events import AnswerDone, AnswerFailed, CitationsFound, StageStarted, TokenAdded
from retrieval.query import cache, flight, routing, shadow
from retrieval.query.budget import open_purse
from retrieval.query.embed import start_embedding
from retrieval.query.generate import generate
from retrieval.query.record import begin_trace, finish_trace
from retrieval.query.retrieve import retrieve
from retrieval.query.rewrite import stand_alone
from retrieval.query.run import Run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from retrieval.events import AnswerEvent
    from retrieval.query.request import AnswerRequest
    from tenants.config import Caller


async def answer(caller: Caller, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
    """The question is stored before the first event, the trace completed before the last.

    Raises InvalidRequest, NotFound, BudgetExceeded or Unavailable before anything is stored; later
    errors are recorded and end the events with AnswerFailed. Closing the iterator ends the model's
    request and records what came so far as cancelled.
    """
    routing.check_model(request.model, caller.tenant)
    run = Run(caller, request, request.question, await open_purse(caller))
    if await cache.serve_exact(run):
        yield StageStarted("cached", run.id, {"conversation_id": run.conversation_id})
        yield TokenAdded(run.outcome.answer)
        yield CitationsFound(run.outcome.citations)
        yield AnswerDone(run.answer_json())
        return
    start_embedding(run)
    error: RagadminError | None = None
    lead = None
    try:
        await begin_trace(run)
        yield StageStarted("searching", run.id, {"conversation_id": run.conversation_id})
        await stand_alone(run)
        lead = await flight.lead(run)
        if await cache.look_up(run):
            yield TokenAdded(run.outcome.answer)
        else:
            await retrieve(run)
            plan = await routing.plan(run)
            yield StageStarted("generating", run.id, plan.announced)
            async with contextlib.aclosing(generate(run, plan)) as tokens:
                async for text in tokens:
                    yield TokenAdded(text)
        yield CitationsFound(run.outcome.citations)
        run.outcome.status = "succeeded"
    except RagadminError as caught:
        if not run.is_stored:
            raise
        error = caught
        run.outcome.error_code, run.outcome.error_message = caught.code, caught.message
    except (asyncio.CancelledError, GeneratorExit):
        run.outcome.status = "cancelled"
        raise
    except Exception:
        run.outcome.error_code = "internal"
        run.outcome.error_message = "Something went wrong on our side."
        raise
    finally:
        # Also while this task is being cancelled.
        await asyncio.shield(asyncio.ensure_future(_end(run, lead)))
    yield AnswerFailed(error, run.id) if error else AnswerDone(run.answer_json())


async def _end(run: Run, lead: flight.Lead | None) -> None:
    try:
        run.cancel_embedding()
        if run.is_stored:
            await finish_trace(run)
            shadow.consider(run)
        else:
            await run.purse.give_back()
    finally:
        if lead is not None:
            await lead.release()
