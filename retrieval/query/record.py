"""The trace: stored with the question before anything is answered, completed before `done`."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragadmin.errors import NotFound
from retrieval.query.request import HISTORY_TURNS
from retrieval.types import Cost, Message, Usage
from tenants.pool import tenant_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.query.request import AnswerRequest
    from retrieval.types import Citation, Hit, RouteDecision, Span
    from tenants.config import Caller
    from tenants.pool import Connection

INSERT_TRACE = """
INSERT INTO retrieval_querytrace
    (id, conversation_id, user_id, api_key_id, asked_by, access_levels, question)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
FINISH_TRACE = """
UPDATE retrieval_querytrace SET
    status = %(status)s, error_code = %(error_code)s, error_message = %(error_message)s,
    answer = %(answer)s, citations = %(citations)s, hits = %(hits)s, spans = %(spans)s,
    model = %(model)s, tier = %(tier)s, route_reason = %(route_reason)s,
    similarity_avg = %(similarity_avg)s, similarity_max = %(similarity_max)s,
    input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
    cost_usd = %(cost_usd)s, total_cost_usd = %(total_cost_usd)s,
    duration_ms = %(duration_ms)s, first_token_ms = %(first_token_ms)s
WHERE id = %(id)s
"""
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


@dataclass(slots=True)
class Outcome:
    """What is known of an answer when it ends, however it ends."""

    status: str = "failed"
    error_code: str = ""
    error_message: str = ""
    answer: str = ""
    citations: tuple[Citation, ...] = ()
    hits: Sequence[Hit] = ()
    spans: Sequence[Span] = ()
    route: RouteDecision | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)
    duration_ms: float = 0.0
    first_token_ms: float | None = None

    @property
    def similarity(self) -> dict[str, float | None]:
        values = [hit.similarity for hit in self.hits]
        if not values:
            return {"avg": None, "max": None}
        return {"avg": round(sum(values) / len(values), 4), "max": round(max(values), 4)}


async def begin_trace(
    answer_id: str, caller: Caller, request: AnswerRequest
) -> tuple[str | None, tuple[Message, ...]]:
    """Stores the question. Returns the conversation's id and what was said in it before.

    Raises NotFound for somebody else's conversation.
    """
    async with tenant_transaction(caller.tenant) as connection:
        conversation_id, history = await _join_conversation(connection, caller, request)
        await connection.execute(
            INSERT_TRACE,
            [
                answer_id, conversation_id, caller.user_id, caller.api_key_id, caller.label,
                list(caller.access_levels), request.question,
            ],
        )  # fmt: skip
    return conversation_id, history


async def finish_trace(answer_id: str, caller: Caller, outcome: Outcome) -> None:
    route, similarity = outcome.route, outcome.similarity
    values: dict[str, Any] = {
        "id": answer_id,
        "status": outcome.status,
        "error_code": outcome.error_code,
        "error_message": outcome.error_message,
        "answer": outcome.answer,
        "citations": json.dumps([citation.as_json() for citation in outcome.citations]),
        "hits": json.dumps([_hit_summary(hit) for hit in outcome.hits]),
        "spans": json.dumps([span.as_json() for span in outcome.spans]),
        "model": route.model if route else "",
        "tier": route.tier if route else "",
        "route_reason": route.reason if route else "",
        "similarity_avg": similarity["avg"],
        "similarity_max": similarity["max"],
        "input_tokens": outcome.usage.input_tokens,
        "output_tokens": outcome.usage.output_tokens,
        "cost_usd": json.dumps(outcome.cost.as_json()),
        "total_cost_usd": outcome.cost.total,
        "duration_ms": outcome.duration_ms,
        "first_token_ms": outcome.first_token_ms,
    }
    async with tenant_transaction(caller.tenant) as connection:
        await connection.execute(FINISH_TRACE, values)


async def _join_conversation(
    connection: Connection, caller: Caller, request: AnswerRequest
) -> tuple[str | None, tuple[Message, ...]]:
    if request.conversation_id is None and not request.starts_conversation:
        return None, request.history
    conversation_id = request.conversation_id or str(uuid.uuid4())
    await connection.execute(
        INSERT_CONVERSATION, [conversation_id, caller.user_id, caller.api_key_id]
    )
    if request.conversation_id is None:
        return conversation_id, request.history
    owner = await (await connection.execute(OWNER, [conversation_id])).fetchone()
    key_id = str(owner["api_key_id"]) if owner and owner["api_key_id"] else None
    if not owner or (owner["user_id"], key_id) != (caller.user_id, caller.api_key_id):
        raise NotFound("There is no conversation of yours with this id: leave it out to begin one.")
    return conversation_id, await _history(connection, caller, conversation_id)


async def _history(
    connection: Connection, caller: Caller, conversation_id: str
) -> tuple[Message, ...]:
    """The last turns, oldest first; none that was answered with more access than the caller has now."""
    parameters = [conversation_id, list(caller.access_levels), HISTORY_TURNS]
    rows = await (await connection.execute(HISTORY, parameters)).fetchall()
    return tuple(
        message
        for row in reversed(rows)
        for message in (Message("user", row["question"]), Message("assistant", row["answer"]))
    )


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
    }
