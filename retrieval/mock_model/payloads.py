"""OpenAI's bodies, as the stub sends them: the same request gives the same bytes."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from retrieval.mock_model import http
from retrieval.mock_model.names import LISTED

CREATED = 1_700_000_000
ANSWER_ID = "chatcmpl-mock"


def last_prompt(messages: list[dict[str, Any]]) -> str:
    """The last user message: the passages and the question are in it."""
    asked = [message for message in messages if message.get("role") == "user"]
    content = asked[-1]["content"] if asked else ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def count_usage(messages: list[dict[str, Any]], output_tokens: int) -> dict[str, int]:
    prompt = max(1, sum(len(str(message.get("content", ""))) for message in messages) // 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output_tokens,
        "total_tokens": prompt + output_tokens,
    }


def completion(model: str, text: str, finish: str, usage: dict[str, int]) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": ANSWER_ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }


@lru_cache(maxsize=2048)
def stream_frames(model: str, pieces: tuple[str, ...]) -> tuple[bytes, ...]:
    frames = [_event(model, [_choice({"content": piece})]) for piece in pieces]
    opening = _event(model, [_choice({"role": "assistant", "content": ""})])
    return (opening + frames[0], *frames[1:]) if frames else (opening,)


def stream_end(model: str, finish: str, usage: dict[str, int] | None) -> bytes:
    end = _event(model, [_choice({}, finish)])
    if usage:
        end += _event(model, [], usage)
    return end + http.event(b"[DONE]") + http.STREAM_END


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _event(model: str, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    body = {
        "id": ANSWER_ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "choices": choices,
    }
    if usage:
        body["usage"] = usage
    return http.event(json.dumps(body, separators=(",", ":")).encode())


def model_list() -> dict[str, Any]:
    models = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "ragadmin"}
        for name in LISTED
    ]
    return {"object": "list", "data": models}
