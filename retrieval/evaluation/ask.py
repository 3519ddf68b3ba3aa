"""Golden questions asked on the live path, each as the access levels that it names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import structlog

from ragadmin.errors import BudgetExceeded, RagadminError
from retrieval.evaluation.judge import judge
from retrieval.evaluation.metrics import without_citations
from retrieval.query.apart import answer_apart
from retrieval.query.budget import open_purse
from retrieval.query.context import Notes, reserve_from
from retrieval.query.embed import embed_texts
from retrieval.query.request import AnswerRequest
from retrieval.query.run import Run
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.models import GoldenQuestion
    from retrieval.query.run import Outcome
    from retrieval.types import ModelCall
    from tenants.config import Caller

log = structlog.get_logger("ragadmin.evaluation")

# So that customers' questions are not kept waiting; the times that are measured hold for as many.
AT_ONCE = 4
LONGEST_ERROR = 300


class BudgetShort(RagadminError):
    """What is left is for those who ask, or other models would answer than usually do."""

    code = "budget_short"


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked with: the tenant's settings or others, and the model by name or `auto`."""

    caller: Caller
    model: str = "auto"


async def ask_all(trial: Trial, questions: Sequence[GoldenQuestion]) -> list[dict[str, Any]]:
    """Results in the order of the questions. Raises BudgetShort and Unavailable after what was asked
    has ended, with the other results in `extra`."""
    room = asyncio.Semaphore(AT_ONCE)

    async def ask_one(golden: GoldenQuestion) -> dict[str, Any]:
        async with room:
            return await ask(trial, golden)

    found = await asyncio.gather(*map(ask_one, questions), return_exceptions=True)
    results = [each for each in found if not isinstance(each, BaseException)]
    errors = [each for each in found if isinstance(each, BaseException)]
    # A short budget stops the run in an orderly way, if nothing worse does.
    for error in sorted(errors, key=lambda each: isinstance(each, BudgetShort)):
        if isinstance(error, RagadminError):
            error.extra["results"] = results
        raise error
    return results


async def ask(trial: Trial, golden: GoldenQuestion) -> dict[str, Any]:
    """What was answered, what it is worth and every call that was paid for. An error is a result too.

    Raises BudgetShort.
    """
    calls: list[ModelCall] = []
    asked_at = datetime.now(UTC).isoformat()
    result = await _ask(trial, golden, calls)
    return {**result, "asked_at": asked_at, "calls": [call.as_json() for call in calls]}


async def _ask(trial: Trial, golden: GoldenQuestion, calls: list[ModelCall]) -> dict[str, Any]:
    """`calls` is filled."""
    levels = tuple(
        level for level in golden.access_levels if level in trial.caller.tenant.access_levels
    )
    if len(levels) < len(golden.access_levels):
        gone = ", ".join(sorted(set(golden.access_levels) - set(levels)))
        error = RagadminError(f"The tenant has no access level {gone} any more.", code="level_gone")
        return failed(golden, error)
    run = await _begin(replace(trial.caller, access_levels=levels), golden, trial.model)
    extra: list[ModelCall] = []
    try:
        await answer_apart(run)
        cosine = await _similarity(run, golden, extra)
        return {
            **_expectations(golden),
            **_answered(run),
            **judge(golden, run.outcome, cosine),
            "error": None,
        }
    except RagadminError as error:
        return {**failed(golden, error), **_costs(run.outcome)}
    except Exception as error:
        log.exception("golden_question_failed", reason=type(error).__name__)
        unexpected = RagadminError("Something went wrong on our side.", code="internal")
        return {**failed(golden, unexpected), **_costs(run.outcome)}
    finally:
        calls += [*run.outcome.calls, *extra]
        await asyncio.shield(_settle(run, calls))


async def _begin(caller: Caller, golden: GoldenQuestion, model: str) -> Run:
    try:
        purse = await open_purse(caller)
    except BudgetExceeded as error:
        raise BudgetShort(error.message) from error
    if purse.step:
        raise BudgetShort(f"{purse.described}: what is left is for those who ask.")
    request = AnswerRequest(golden.question, model=model, use_cache=False)
    return Run(_keeping_nothing(caller), request, golden.question, purse)


def _keeping_nothing(caller: Caller) -> Caller:
    """Nobody is served what a model said to a golden question, least of all to one on trial."""
    query = replace(caller.tenant.query, llm_cache=False)
    return replace(caller, tenant=replace(caller.tenant, query=query))


async def _similarity(run: Run, golden: GoldenQuestion, calls: list[ModelCall]) -> float | None:
    """Cosine by the tenant's own embedder. What it costs is no part of the answer's cost."""
    answer = without_citations(run.outcome.answer).strip()
    if not golden.expected_answer or not answer:
        return None
    notes = Notes(reserve=reserve_from(run), calls=calls)
    one, other = await embed_texts(run.caller, [golden.expected_answer, answer], notes)
    return float(one @ other)


async def _settle(run: Run, calls: list[ModelCall]) -> None:
    try:
        if run.purse.has_to_settle(run.id, calls):
            async with tenant_transaction(run.caller.tenant) as connection:
                await run.purse.settle(connection, run.id, calls)
    finally:
        await run.purse.give_back()


def failed(golden: GoldenQuestion, error: RagadminError) -> dict[str, Any]:
    told = {"code": error.code, "message": error.message[:LONGEST_ERROR]}
    return {**_expectations(golden), "error": told, "is_right": None}


def _expectations(golden: GoldenQuestion) -> dict[str, Any]:
    """As they were when it was asked."""
    return {
        "id": str(golden.id),
        "question": golden.question,
        "access_levels": golden.access_levels,
        "expected_paths": golden.expected_paths,
        "expected_answer": golden.expected_answer,
        "must_contain": golden.must_contain,
        "must_abstain": golden.must_abstain,
    }


def _answered(run: Run) -> dict[str, Any]:
    outcome, route = run.outcome, run.outcome.route
    return {
        "answer": outcome.answer,
        "citations": [citation.as_json() for citation in outcome.citations],
        "hits": [
            {
                "document_id": hit.document_id,
                "path": hit.path,
                "access_level": hit.access_level,
                "similarity": round(hit.similarity, 4),
            }
            for hit in outcome.hits
        ],
        "model": route.model if route else "",
        "tier": route.tier if route else "",
        "duration_ms": round(outcome.duration_ms, 1),
        "first_token_ms": outcome.first_token_ms and round(outcome.first_token_ms, 1),
        **_costs(outcome),
    }


def _costs(outcome: Outcome) -> dict[str, Any]:
    """`cost_usd` is a text, so that no digit is lost; None: somebody's price is not known. It is of the
    first `answer_calls` calls; those after them were made to judge the answer."""
    costs = [call.cost_usd for call in outcome.calls]
    known = [cost for cost in costs if cost is not None]
    total = sum(known, Decimal(0)) if len(known) == len(costs) else None
    return {"cost_usd": None if total is None else str(total), "answer_calls": len(costs)}
