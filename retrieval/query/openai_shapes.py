"""OpenAI's shapes of one answer."""

from __future__ import annotations

import re
import time
from typing import Any

from retrieval.query.streams import data_line, encode

FINISH_REASONS = frozenset({"stop", "length", "content_filter"})


def model_json(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "ragadmin"}


def extension(done: dict[str, Any]) -> dict[str, Any]:
    """What OpenAI's shape has no place for."""
    kept = (
        "cache", "cached_at", "cost_usd", "saved_usd", "citations", "model", "tier",
        "route_reason", "abstained", "degraded", "duration_ms",
    )  # fmt: skip
    return {"answer_id": done["id"], **{name: done[name] for name in kept}}


# No model's token is longer.
LONGEST_TOKEN = 40
_WORDS = re.compile(r"\s*\S+\s*$|\s*\S+|\s+$")


def usage_of(done: dict[str, Any]) -> dict[str, int]:
    sent, made = done["usage"]["input_tokens"], done["usage"]["output_tokens"]
    return {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}


def finish_of(done: dict[str, Any]) -> str:
    reason = done["finish_reason"]
    return reason if reason in FINISH_REASONS else "stop"


class Completion:
    def __init__(self, answer_id: str, model: str, base_url: str, slug: str) -> None:
        self.base = {"id": f"chatcmpl-{answer_id}", "created": int(time.time()), "model": model}
        self.documents_url = f"{base_url.rstrip('/')}/t/{slug}/documents"
        # All of a token's chunk but its text, encoded once.
        self._before, self._after = self.chunk({"content": "|"}).split(b"|")

    def whole(self, done: dict[str, Any]) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": done["answer"],
            "refusal": None,
            "annotations": self.annotations(done),
        }
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": finish_of(done),
            "logprobs": None,
        }
        return {
            **self.base,
            "object": "chat.completion",
            "model": done["model"],
            "choices": [choice],
            "usage": usage_of(done),
            "ragadmin": extension(done),
        }

    def chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return data_line(
            {**self.base, "object": "chat.completion.chunk", "choices": choices, **more}
        )

    def token(self, text: str) -> bytes:
        return self._before + encode(text).encode()[1:-1] + self._after

    def text(self, text: str) -> bytes:
        """A whole kept answer goes word by word too, in one write: clients count on pieces."""
        if len(text) <= LONGEST_TOKEN:
            return self.token(text)
        return b"".join(map(self.token, _WORDS.findall(text)))

    def usage_chunk(self, done: dict[str, Any]) -> bytes:
        body = {**self.base, "object": "chat.completion.chunk", "choices": []}
        return data_line({**body, "usage": usage_of(done)})

    def annotations(self, done: dict[str, Any]) -> list[dict[str, Any]]:
        """Where each `[n]` stands in the text, and the page of the passage it cites."""
        return [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": start,
                    "end_index": start + len(marker),
                    "title": citation["path"],
                    "url": f"{self.documents_url}/{citation['document_id']}/?chunk={citation['chunk_id']}",
                },
            }
            for citation in done["citations"]
            for marker in [f"[{citation['n']}]"]
            if (start := done["answer"].find(marker)) >= 0
        ]
