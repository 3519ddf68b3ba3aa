"""A share of the cache's hits is answered in full as well, afterwards, to learn how many were wrong.

Only hits that could be wrong are sampled: those found by meaning, and those proven anew. What a
sample costs is booked in the budget and written beside its verdict, and is no part of what the hit's
own answer cost.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog
from psycopg import sql

from ragadmin.errors import RagadminError
from retrieval import events
from retrieval.providers import extractive
from retrieval.providers.per_loop import PerLoop
from retrieval.query.apart import anew, answer_apart
from retrieval.query.budget import open_purse
from retrieval.query.context import notes_of
from retrieval.query.embed import embed_texts
from retrieval.query.paid_apart import book_apart
from retrieval.query.run import Run
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from retrieval.query.run import Outcome

log = structlog.get_logger("ragadmin.shadow")

# For each process, so that what is asked now is not slowed down; the others are left out.
AT_ONCE = 2
SAME, DIFFERENT = "same", "different"
# Cosine of two answers. Two wordings of one answer lie above the first, other answers below the last;
# between them it counts whether they cite the same.
CLEARLY_SAME, CLEARLY_DIFFERENT = 0.85, 0.6
SHARED_CITATIONS = 0.5
_CITATION = re.compile(r"\[\d{1,3}\]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
STORE = """
UPDATE retrieval_querytrace SET shadow_verdict = %(verdict)s, shadow = %(shadow)s WHERE id = %(id)s
"""

_running: PerLoop[set[asyncio.Task[None]]] = PerLoop(set)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`reason` in words for people; `cosine` None where it decided nothing."""

    verdict: str
    reason: str
    cosine: float | None = None


def consider(run: Run) -> None:
    """After a hit was stored. Returns at once; never fails."""
    if run.hit is None or (run.outcome.cache == "exact" and not run.hit.is_proven_anew):
        return
    running = _running.get()
    if len(running) >= AT_ONCE or random.random() >= run.caller.tenant.query.shadow_share:  # noqa: S311
        return
    task = asyncio.create_task(_sample(run))
    running.add(task)
    task.add_done_callback(running.discard)


async def wait_for_samples() -> None:
    """Until none is being taken by this event loop."""
    while running := _running.get():
        await asyncio.wait(running)


async def close_shadows() -> None:
    for task in list(_running.get()):
        task.cancel()
    await wait_for_samples()


async def _sample(hit: Run) -> None:
    try:
        purse = await open_purse(hit.caller)
        if purse.step:  # what is left is for those who ask
            return
        fresh = Run(hit.caller, anew(hit.request, hit.question), hit.question, purse)
        try:
            await answer_apart(fresh)
            compared = await _compare(hit, fresh)
            await _store(hit, fresh, compared)
        except BaseException:
            # Paid for, whatever became of it.
            await book_apart(fresh, "check")
            raise
    except RagadminError as error:
        log.warning("hit_not_compared", reason=error.code)


async def _compare(hit: Run, fresh: Run) -> Comparison:
    found = compare_words(hit.outcome, fresh.outcome)
    if found is not None:
        return found
    texts = [_CITATION.sub("", one.outcome.answer) for one in (hit, fresh)]
    a, b = await embed_texts(hit.caller, texts, notes_of(fresh))
    return compare_meaning(hit.outcome, fresh.outcome, float(a @ b))


def compare_words(kept: Outcome, fresh: Outcome) -> Comparison | None:
    """What can be said without a model; None if that is nothing."""
    if kept.answer == fresh.answer:
        return Comparison(SAME, "word for word")
    if kept.abstained != fresh.abstained:
        return Comparison(DIFFERENT, "one of them says that there is no answer")
    if is_quoted(kept) or is_quoted(fresh):
        share = shared_citations(kept, fresh)
        verdict = SAME if share >= SHARED_CITATIONS else DIFFERENT
        return Comparison(verdict, f"{share:.0%} of the quoted passages are the same")
    a, b = _numbers(kept.answer), _numbers(fresh.answer)
    if a - b and b - a:
        return Comparison(DIFFERENT, "other numbers")
    return None


def compare_meaning(kept: Outcome, fresh: Outcome, cosine: float) -> Comparison:
    if cosine >= CLEARLY_SAME:
        return Comparison(SAME, "they mean the same", cosine)
    if cosine < CLEARLY_DIFFERENT:
        return Comparison(DIFFERENT, "they mean something else", cosine)
    share = shared_citations(kept, fresh)
    verdict = SAME if share >= SHARED_CITATIONS else DIFFERENT
    return Comparison(verdict, f"near, and {share:.0%} of the cited passages are the same", cosine)


def is_quoted(outcome: Outcome) -> bool:
    return outcome.route is not None and outcome.route.model == extractive.MODEL


def shared_citations(kept: Outcome, fresh: Outcome) -> float:
    """Share of the smaller set of cited passages that is in the other; 1 if neither cites any."""
    a, b = ({each.chunk_id for each in one.citations} for one in (kept, fresh))
    if not a and not b:
        return 1.0
    return len(a & b) / max(1, min(len(a), len(b)))


def _numbers(text: str) -> set[str]:
    return set(_NUMBER.findall(_CITATION.sub("", text)))


async def _store(hit: Run, fresh: Run, compared: Comparison) -> None:
    calls = fresh.outcome.calls
    shadow = {
        "cached_question": hit.hit.question if hit.hit else "",
        "cached_answer": hit.outcome.answer,
        "answer": fresh.outcome.answer,
        "model": fresh.outcome.route.model if fresh.outcome.route else "",
        "reason": compared.reason,
        "cosine": None if compared.cosine is None else round(compared.cosine, 4),
        "calls": [call.as_json() for call in calls],
        "cost_usd": str(sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0))),
    }
    values = {"id": hit.id, "verdict": compared.verdict, "shadow": json.dumps(shadow)}
    async with tenant_transaction(hit.caller.tenant) as connection:
        await connection.execute(STORE, values)
        if events.ledger.sampled:
            await connection.execute(sql.SQL(events.ledger.sampled), {"answer_ids": [hit.id]})
        await fresh.purse.settle(connection, fresh.id, calls)
