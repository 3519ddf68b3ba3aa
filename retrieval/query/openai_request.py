"""What OpenAI clients send, checked once: what a RAG answer cannot honour is refused by name, and
what only tunes sampling (`top_p`, `seed`, penalties, `user`, …) is left out of account."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest
from retrieval.query.request import AnswerRequest, clean_question, clean_text
from retrieval.types import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of a conversation, what is read: earlier messages are counted against the body's size only.
HISTORY_MESSAGES = 8
MOST_TOKENS = 8_192
MOST_INPUTS = 256
MOST_STOPS, LONGEST_STOP = 4, 200
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
SPOKEN = {"user": "user", "assistant": "assistant"}
UNSUPPORTED = {
    "tools": "Answers come from the tenant's documents: tools are not called. Leave `tools` out.",
    "functions": "Answers come from the tenant's documents: functions are not called.",
    "logprobs": "Log probabilities are not given: leave `logprobs` out.",
    "audio": "Answers are text: leave `audio` out.",
}


def parse_chat(body: dict[str, Any]) -> AnswerRequest:
    """The last user message is the question, earlier ones the history. Raises InvalidRequest."""
    _refuse_unsupported(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _invalid("messages", "messages must be a list of at least one message.")
    role, question = _read(messages[-1])
    if role != "user":
        raise _invalid("messages", "The last message must be the user's question.")
    model = body.get("model") or "auto"
    if not isinstance(model, str) or len(model) > 200:
        raise _invalid("model", "model must be a short text.")
    return AnswerRequest(
        question=clean_question(question, "messages"),
        model=model,
        history=_history(messages[:-1]),
        max_tokens=_max_tokens(body),
        temperature=_temperature(body),
        stop=_stop(body),
    )


def wants_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def parse_inputs(body: dict[str, Any]) -> list[str]:
    """The texts of an embeddings request. Raises InvalidRequest."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, list) and texts and not any(isinstance(text, str) for text in texts):
        raise _invalid(
            "input",
            "input holds token numbers; send texts, because every embedding model has its own "
            "tokens (in LangChain: check_embedding_ctx_length=False).",
        )
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
        raise _invalid("input", "input must be a text or a list of texts, none of them empty.")
    if len(texts) > MOST_INPUTS:
        raise _invalid(
            "input", f"input has {len(texts)} texts; send at most {MOST_INPUTS} at once."
        )
    return texts


def _refuse_unsupported(body: dict[str, Any]) -> None:
    for name, why in UNSUPPORTED.items():
        if body.get(name):
            raise _invalid(name, why, "unsupported_parameter")
    if body.get("n") not in (None, 1):
        raise _invalid("n", "n must be 1: a question has one answer.", "unsupported_value")
    wanted = body.get("response_format")
    if wanted and (not isinstance(wanted, dict) or wanted.get("type") != "text"):
        why = "Answers are text with citations: response_format can only be of the type text."
        raise _invalid("response_format", why, "unsupported_value")


def _history(messages: list[Any]) -> tuple[Message, ...]:
    """The last of what was said. Instructions are the tenant's to give, not the caller's: system
    messages are left out, and what tools said is not the conversation's."""
    last: list[Message] = []
    for role, text in _backwards(messages):
        if role in SPOKEN and text.strip():
            last.append(Message(role, text))  # pyright: ignore[reportArgumentType]
        if len(last) == HISTORY_MESSAGES:
            break
    return tuple(reversed(last))


def _backwards(messages: list[Any]) -> Iterator[tuple[str, str]]:
    return (_read(message) for message in reversed(messages))


def _read(message: Any) -> tuple[str, str]:
    """Its role and its text. Raises InvalidRequest."""
    role, content = (
        (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
    )
    if isinstance(content, list):
        content = "\n".join(_part(part) for part in content)
    if content is None and role in {"assistant", "tool", "function"}:
        content = ""  # a call of a tool
    if role not in ROLES or not isinstance(content, str):
        raise _invalid(
            "messages",
            "Each message needs a role (system, developer, user or assistant) and a text content.",
        )
    return role, clean_text(content)


def _part(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in {"text", "refusal"}:
        return str(part.get(kind, ""))
    raise _invalid(
        "messages", f"A message has a part of the type {str(kind)[:40]!r}: only text can be read."
    )


def _max_tokens(body: dict[str, Any]) -> int | None:
    name = (
        "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    )
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
        raise _invalid(name, f"{name} must be a whole number from 1 to {MOST_TOKENS}.")
    return value


def _temperature(body: dict[str, Any]) -> float | None:
    value = body.get("temperature")
    if value is None:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= 2:
        raise _invalid("temperature", "temperature must be a number from 0 to 2.")
    return float(value)


def _stop(body: dict[str, Any]) -> tuple[str, ...]:
    value = body.get("stop")
    stops = [value] if isinstance(value, str) else value or []
    fits = isinstance(stops, list) and len(stops) <= MOST_STOPS
    if not fits or not all(isinstance(s, str) and 0 < len(s) <= LONGEST_STOP for s in stops):
        raise _invalid(
            "stop", f"stop must be a text or a list of at most {MOST_STOPS} short texts."
        )
    return tuple(map(clean_text, stops))


def _invalid(field: str, message: str, code: str | None = None) -> InvalidRequest:
    return InvalidRequest(message, code=code, extra={"field": field})
