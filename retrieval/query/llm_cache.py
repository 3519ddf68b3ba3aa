"""What a model said to the very same request, for each tenant apart (Redis).

The key is the SHA-256 of endpoint, model, parameters and all messages. Passages are among the
messages: who may not read one never sends the request that its answer is kept under.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from retrieval.query import redis_store
from retrieval.types import Usage
from tenants.redis_keys import tenant_key

if TYPE_CHECKING:
    from retrieval.query.asking import Prompt
    from retrieval.query.routing import Choice
    from retrieval.query.run import Run


@dataclass(frozen=True, slots=True)
class KeptReply:
    """As the model wrote it. `usage` is what it took then."""

    text: str
    usage: Usage
    finish_reason: str
    kept_at: datetime

    def as_bytes(self) -> bytes:
        sent, made = self.usage.input_tokens, self.usage.output_tokens
        kept = [self.text, sent, made, self.usage.estimated, self.finish_reason]
        return json.dumps([*kept, self.kept_at.isoformat()], ensure_ascii=False).encode()


async def look_up(run: Run, choice: Choice, prompt: Prompt) -> KeptReply | None:
    """None too where the tenant keeps nothing, the caller wants it fresh, or Redis is away."""
    if not run.caller.tenant.query.llm_cache or not run.request.use_cache:
        return None
    request = _digest(choice, prompt)
    # On the trace, so that a rating finds what was kept.
    with run.clock.span("cache", what="llm", request=request) as span:
        found = await redis_store.get_bytes(reply_key(run.caller.tenant.id, request))
        _note_outage(run)
        reply = _read(found) if found else None
        span.attributes["hit"] = reply is not None
        if reply:
            # What it spared, so that it can be priced again.
            span.attributes |= {
                "model": choice.model,
                "input_tokens": reply.usage.input_tokens,
                "output_tokens": reply.usage.output_tokens,
            }
    return reply


async def keep(run: Run, choice: Choice, prompt: Prompt, text: str, usage: Usage) -> None:
    """Only what a model ended by itself. Never fails."""
    query = run.caller.tenant.query
    if not query.llm_cache or not text:
        return
    reply = KeptReply(text, usage, run.outcome.finish_reason, datetime.now(UTC))
    seconds = query.cache_ttl_minutes * 60
    key = reply_key(run.caller.tenant.id, _digest(choice, prompt))
    await redis_store.set_bytes(key, reply.as_bytes(), seconds)
    _note_outage(run)


def _note_outage(run: Run) -> None:
    if redis_store.is_down():
        run.note_degraded("redis")


def reply_key(tenant_id: int, request: str) -> str:
    return tenant_key(tenant_id, f"llm:{request}")


def _digest(choice: Choice, prompt: Prompt) -> str:
    request = [
        choice.endpoint.base_url,
        choice.model,
        prompt.max_tokens,
        prompt.temperature,
        prompt.stop,
        [(message.role, message.content) for message in prompt.messages],
    ]
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()


def _read(kept: bytes) -> KeptReply | None:
    """None for what another version wrote."""
    try:
        text, sent, made, estimated, finish_reason, at = json.loads(kept)
        return KeptReply(
            text, Usage(sent, made, estimated), finish_reason, datetime.fromisoformat(at)
        )
    except (ValueError, TypeError):
        return None
