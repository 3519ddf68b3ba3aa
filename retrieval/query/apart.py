"""Answers that nobody asked for: samples of the cache's hits, and golden questions. On the live path,
from search to the last token, without the caches of answers and without a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragadmin.errors import RagadminError
from retrieval.query import routing
from retrieval.query.generate import generate
from retrieval.query.pricing import sum_up
from retrieval.query.retrieve import retrieve

if TYPE_CHECKING:
    from retrieval.query.request import AnswerRequest
    from retrieval.query.run import Run

# Without these the answer is the same, only later.
HARMLESS = frozenset({"redis"})


def anew(request: AnswerRequest, question: str) -> AnswerRequest:
    """The request of the question alone, of which no kept answer is served."""
    return replace(
        request,
        question=question,
        conversation_id=None,
        starts_conversation=False,
        history=(),
        use_cache=False,
    )


async def answer_apart(run: Run) -> None:
    """Completes `run.outcome`. Its calls are to be settled by the caller, also after an error.

    Raises RagadminError, with the code `degraded` where something was away and done without.
    """
    await retrieve(run)
    plan = await routing.plan(run)
    async for _ in generate(run, plan):
        pass
    outcome = run.outcome
    outcome.duration_ms = run.clock.now()
    outcome.spans = sorted(run.clock.spans, key=lambda span: span.start_ms)
    outcome.cost = sum_up(outcome.calls)
    if missing := [part for part in run.degraded if part not in HARMLESS]:
        raise RagadminError(
            f"It was answered without what was away just then: {', '.join(missing)}.",
            code="degraded",
        )
