"""The trace: stored with the question before anything is answered, completed before `done`."""

from __future__ import annotations

import json
import math
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, LiteralString

import structlog
from psycopg import sql

from ragadmin.errors import NotFound
from retrieval import events
from retrieval.query.keep_answer import keep, publish
from retrieval.query.pricing import sum_up
from retrieval.query.request import HISTORY_TURNS, options_of
from retrieval.terms import trace_terms
from retrieval.types import Message
from tenants.pool import send_at_once, tenant_transaction, write_at_once

if TYPE_CHECKING:
    from retrieval.query.request import AnswerRequest
    from retrieval.query.run import Run
    from retrieval.types import Hit
    from tenants.pool import Connection, Statement

log = structlog.get_logger("ragadmin.query")

# After this long somebody else may have taken it for interrupted, and booked it so.
LONGEST_ANSWER = timedelta(minutes=10)
# Of the passages that were near but not used, so many are worth their place in the trace.
MOST_DROPPED = 20
ASKED = (
    "id", "conversation_id", "user_id", "api_key_id", "asked_by", "access_levels", "question",
    "is_simulated",
)  # fmt: skip
ANSWERED = (
    "status", "error_code", "error_message", "prompt", "standalone_question", "answer", "citations", "hits",
    "dropped", "spans", "model", "tier", "route_reason", "route", "budget_step", "cache", "cache_entry_id",
    "cache_similarity", "cached_at", "degraded", "abstained", "similarity_avg", "similarity_max",
    "input_tokens", "output_tokens", "cost_usd", "total_cost_usd", "calls", "saved", "saved_usd",
    "saved_tokens", "duration_ms", "first_token_ms", "terms",
)  # fmt: skip


def _insert(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL("INSERT INTO retrieval_querytrace ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )


INSERT_ASKED = _insert(ASKED)
INSERT_WHOLE = _insert(ASKED + ANSWERED)
UPDATE_ANSWERED = sql.SQL("UPDATE retrieval_querytrace SET {} WHERE id = %(id)s").format(
    sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in ANSWERED
    )
)
INSERT_CONVERSATION = """
INSERT INTO retrieval_conversation (id, user_id, api_key_id) VALUES (%s, %s, %s)
ON CONFLICT (id) DO NOTHING
"""
OWNER = "SELECT user_id, api_key_id FROM retrieval_conversation WHERE id = %s"
HISTORY = """
SELECT question, answer FROM retrieval_querytrace
WHERE conversation_id = %s AND status = 'succeeded' AND access_levels <@ %s::varchar[]
ORDER BY created_at DESC LIMIT %s
"""


async def begin_trace(run: Run) -> None:
    """Stores the question, and learns what was said before it.

    Raises NotFound for somebody else's conversation.
    """
    with run.clock.span("record", what="question"):
        if in_conversation(run.request):
            async with tenant_transaction(run.caller.tenant) as connection:
                await _join_conversation(connection, run)
                await connection.execute(INSERT_ASKED, _asked(run))
        else:
            run.history = run.request.history
            await write_at_once(run.caller.tenant, [(INSERT_ASKED, _asked(run))])
        run.is_stored = True


def in_conversation(request: AnswerRequest) -> bool:
    return request.conversation_id is not None or request.starts_conversation


async def store_whole(connection: Connection, run: Run) -> None:
    """A question and its answer at once, where the answer was there before anything was stored."""
    await _join_conversation(connection, run)
    _close(run)
    whole: Statement = (INSERT_WHOLE, {**_asked(run), **_answered(run)})
    await send_at_once(connection, [whole, *_booked(run)])
    await run.purse.settle(connection, run.id, run.outcome.calls)
    run.is_stored = True


async def finish_trace(run: Run) -> None:
    """Completes the trace, settles the budget and keeps the answer for the next, all or nothing."""
    _close(run)
    # First, so that the trace has the entry that it made.
    kept, keeping = keep(run)
    answered: Statement = (UPDATE_ANSWERED, {"id": run.id, **_answered(run)})
    before, after = _booked_late(run) if _is_late(run) else ([], _booked(run))
    statements = [*keeping, *before, answered, *after]
    if not run.purse.has_to_settle(run.id, run.outcome.calls):
        await write_at_once(run.caller.tenant, statements)
    else:
        async with tenant_transaction(run.caller.tenant) as connection:
            await send_at_once(connection, statements)
            # Last, because others wait for the budget's row until this is committed.
            await run.purse.settle(connection, run.id, run.outcome.calls)
    if kept:
        await publish(run, kept)
    tell_listeners(run)


def tell_listeners(run: Run) -> None:
    """After the commit. One that fails takes the answer from nobody, nor the news from the others."""
    for listener in events.answer_listeners:
        try:
            listener(run)
        except Exception:
            log.exception("answer_listener_failed")


def _booked(run: Run) -> list[Statement]:
    return _of_ledger(run, events.ledger.completed)


def _booked_late(run: Run) -> tuple[list[Statement], list[Statement]]:
    """What comes before the trace is completed, and after."""
    ledger = events.ledger
    return _of_ledger(run, ledger.taken_back), _of_ledger(run, ledger.completed_late)


def _of_ledger(run: Run, statement: LiteralString) -> list[Statement]:
    return [(sql.SQL(statement), {"answer_ids": [run.id]})] if statement else []


def _is_late(run: Run) -> bool:
    return run.outcome.duration_ms >= LONGEST_ANSWER.total_seconds() * 1000


def _close(run: Run) -> None:
    outcome = run.outcome
    outcome.duration_ms = run.clock.now()
    outcome.spans = sorted(run.clock.spans, key=lambda span: span.start_ms)
    outcome.cost = sum_up(outcome.calls)


async def _join_conversation(connection: Connection, run: Run) -> None:
    caller, request = run.caller, run.request
    run.history = request.history
    if not in_conversation(request):
        return
    run.conversation_id = request.conversation_id or str(uuid.uuid4())
    owner_values = [run.conversation_id, caller.user_id, caller.api_key_id]
    await connection.execute(INSERT_CONVERSATION, owner_values)
    if request.conversation_id is None:
        return
    owner = await (await connection.execute(OWNER, [run.conversation_id])).fetchone()
    key_id = str(owner["api_key_id"]) if owner and owner["api_key_id"] else None
    if not owner or (owner["user_id"], key_id) != (caller.user_id, caller.api_key_id):
        raise NotFound("There is no conversation of yours with this id: leave it out to begin one.")
    run.history = await _history(connection, run)


async def _history(connection: Connection, run: Run) -> tuple[Message, ...]:
    """The last turns, oldest first; none that was answered with more access than the caller has now."""
    parameters = [run.conversation_id, list(run.caller.access_levels), HISTORY_TURNS]
    rows = await (await connection.execute(HISTORY, parameters)).fetchall()
    return tuple(
        message
        for row in reversed(rows)
        for message in (Message("user", row["question"]), Message("assistant", row["answer"]))
    )


def _asked(run: Run) -> dict[str, Any]:
    caller = run.caller
    return {
        "id": run.id,
        "conversation_id": run.conversation_id,
        "user_id": caller.user_id,
        "api_key_id": caller.api_key_id,
        "asked_by": caller.label,
        "access_levels": list(caller.access_levels),
        "question": run.request.question,
        "is_simulated": caller.is_simulated,
    }


def _answered(run: Run) -> dict[str, Any]:
    outcome, route, similarity = run.outcome, run.outcome.route, run.outcome.similarity
    rewritten = run.question if run.question != run.request.question else ""
    return {
        "status": outcome.status,
        "error_code": outcome.error_code,
        "error_message": outcome.error_message,
        "prompt": json.dumps(outcome.prompt) if outcome.prompt else None,
        "standalone_question": rewritten,
        "answer": outcome.answer,
        "citations": json.dumps([citation.as_json() for citation in outcome.citations]),
        "hits": json.dumps([_hit_summary(hit) for hit in outcome.hits]),
        "dropped": json.dumps(
            [
                {**_hit_summary(each.hit), "fate": each.fate}
                for each in outcome.dropped[:MOST_DROPPED]
            ]
        ),
        "spans": json.dumps([span.as_json() for span in outcome.spans]),
        "model": route.model if route else "",
        "tier": route.tier if route else "",
        "route_reason": route.reason if route else "",
        "route": json.dumps(_route(run)),
        "budget_step": run.purse.step,
        "cache": outcome.cache,
        "cache_entry_id": outcome.cache_entry_id,
        "cache_similarity": outcome.cache_similarity,
        "cached_at": outcome.cached_at,
        "degraded": run.degraded,
        "abstained": outcome.abstained,
        "similarity_avg": similarity["avg"],
        "similarity_max": similarity["max"],
        "input_tokens": outcome.usage.input_tokens,
        "output_tokens": outcome.usage.output_tokens,
        "cost_usd": json.dumps(outcome.cost.as_json()),
        "total_cost_usd": outcome.cost.total,
        "calls": json.dumps([call.as_json() for call in outcome.calls]),
        "saved": json.dumps({name: str(amount) for name, amount in outcome.saved.items()}),
        "saved_usd": outcome.saved_usd,
        "saved_tokens": outcome.saved_tokens,
        "duration_ms": outcome.duration_ms,
        "first_token_ms": outcome.first_token_ms,
        "terms": trace_terms(
            (run.request.question, rewritten),
            [hit.document_id for hit in outcome.hits],
            run.caller.label,
        ),
    }


def _route(run: Run) -> dict[str, Any]:
    """With what was asked for, which is the least that a request can be made again of."""
    route, asked = run.outcome.route, options_of(run.request)
    if run.history_in_prompt:
        asked["history"] = True
    return {**(route.as_json() if route else {}), **({"asked": asked} if asked else {})}


def _finite(score: float | None) -> float | None:
    """Passages that a reranker was not shown have the lowest score there is, which JSON has not."""
    return round(score, 4) if score is not None and math.isfinite(score) else None


def _hit_summary(hit: Hit) -> dict[str, Any]:
    return {
        "chunk_id": hit.chunk_id,
        "document_id": hit.document_id,
        "path": hit.path,
        "heading_path": hit.heading_path,
        "access_level": hit.access_level,
        "score": round(hit.score, 6),
        "similarity": round(hit.similarity, 4),
        "rank": hit.rank,
        "vector_place": hit.vector_place,
        "keyword_place": hit.keyword_place,
        "rerank_score": _finite(hit.rerank_score),
        "shown_chars": len(hit.shown or hit.text),
        "left_out": hit.left_out,
    }
