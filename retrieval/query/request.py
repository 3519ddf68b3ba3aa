"""What may be asked: one frozen request for every surface, checked once."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest, PermissionDenied
from tenants.config import tune

if TYPE_CHECKING:
    from retrieval.types import Message, SearchMode
    from tenants.config import Caller, TenantConfig

LONGEST_QUESTION = 8_000
MOST_HITS = 50
HISTORY_TURNS = 4
SEARCH_MODES = ("hybrid", "vector", "keyword")
FILTERS = ("document_id", "source", "path_prefix", "access_level")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    question: str
    model: str = "auto"
    top_k: int | None = None
    conversation_id: str | None = None
    # A conversation is begun when none is given.
    starts_conversation: bool = False
    history: tuple[Message, ...] = ()
    # None: the tenant's setting.
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    filters: tuple[tuple[str, str], ...] = ()
    use_cache: bool = True
    # That are tried with it: parse_tuning has put them in force.
    settings: tuple[tuple[str, Any], ...] = ()


PLAIN = AnswerRequest("")
OPTIONS = (
    "model", "top_k", "filters", "use_cache", "max_tokens", "temperature", "stop", "settings",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchRequest:
    question: str
    top_k: int = 5
    mode: SearchMode = "hybrid"
    filters: tuple[tuple[str, str], ...] = ()
    # None: as the tenant has it.
    rerank: bool | None = None
    # Also says what came near and became of it.
    explain: bool = False


def parse_answer(body: dict[str, Any], *, starts_conversation: bool = False) -> AnswerRequest:
    """The body of POST /api/v1/answers/. Raises InvalidRequest naming the field."""
    return AnswerRequest(
        question=clean_question(body.get("question")),
        model=_text(body, "model", "auto"),
        top_k=None if body.get("top_k") is None else _top_k(body),
        conversation_id=_uuid(body, "conversation_id"),
        starts_conversation=starts_conversation,
        filters=_filters(body.get("filters") or {}),
        use_cache=_flag(body, "use_cache", True),
        settings=_settings(body.get("settings") or {}),
    )


def options_of(request: AnswerRequest) -> dict[str, Any]:
    """What was asked for beside the question, as the body has it; without what is as usual."""
    said = {name: getattr(request, name) for name in OPTIONS}
    pairs = ("filters", "settings")
    return {
        name: dict(value) if name in pairs else value
        for name, value in said.items()
        if value != getattr(PLAIN, name)
    }


def parse_tuning(body: dict[str, Any], caller: Caller) -> Caller:
    """With the settings that are to be tried, of those who may. Raises InvalidRequest, PermissionDenied."""
    changes = body.get("settings")
    if not changes:
        return caller
    if not isinstance(changes, dict):
        raise _invalid("settings", "settings must be an object.")
    if not caller.may_tune:
        raise PermissionDenied(
            "Only an admin of the tenant, or a key with the scope admin, may try other settings.",
            code="scope_missing",
        )
    if "top_k" in changes:
        _top_k(changes)
    least = changes.get("min_similarity", 0)
    if isinstance(least, bool) or not isinstance(least, int | float) or not -1 <= least <= 1:
        raise _invalid("min_similarity", "min_similarity is a number from -1 to 1.")
    return tune(caller, changes)


def parse_search(body: dict[str, Any], tenant: TenantConfig | None = None) -> SearchRequest:
    """The body of POST /api/v1/search/; what is not said is as `tenant` has it. Raises
    InvalidRequest naming the field."""
    mode = body.get("mode") or (tenant.query.search_mode if tenant else "hybrid")
    if mode not in SEARCH_MODES:
        raise _invalid("mode", f"mode is one of {', '.join(SEARCH_MODES)}.")
    is_tuned = tenant is not None and bool(body.get("settings"))
    return SearchRequest(
        question=clean_question(body.get("question")),
        top_k=tenant.top_k if tenant and is_tuned and "top_k" not in body else _top_k(body),
        mode=mode,
        filters=_filters(body.get("filters") or {}),
        rerank=None if body.get("rerank") is None else _flag(body, "rerank", False),
        explain=_flag(body, "explain", is_tuned),
    )


def clean_question(value: Any, field: str = "question") -> str:
    """The question without control characters. Raises InvalidRequest if empty or too long."""
    if not isinstance(value, str):
        raise _invalid(field, f"{field} must be a text.")
    if len(value) > LONGEST_QUESTION:
        raise InvalidRequest(
            f"The question has {len(value):,} characters; at most {LONGEST_QUESTION:,} are allowed. "
            "Shorten it, or upload the long text as a document and ask about it.",
            code="question_too_long",
            extra={"field": field},
        )
    question = clean_text(value).strip()
    if not question:
        raise InvalidRequest(
            "The question is empty: write what you want to know.",
            code="empty_question",
            extra={"field": field},
        )
    return question


def clean_text(text: str) -> str:
    """As Postgres can keep it: no control characters, no halves of a character."""
    return _CONTROL.sub(" ", text.encode("utf-8", "replace").decode())


def _filters(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise _invalid("filters", "filters must be an object.")
    for name, wanted in value.items():
        if name not in FILTERS:
            raise _invalid(
                "filters", f"There is no filter {name!r}; there are {', '.join(FILTERS)}."
            )
        if not isinstance(wanted, str):
            raise _invalid("filters", f"The filter {name} must be a text.")
        if name == "document_id":
            _uuid(value, name)
    return tuple(sorted((name, clean_text(wanted)) for name, wanted in value.items()))


def _settings(changes: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (name, clean_text(value) if isinstance(value, str) else value)
        for name, value in sorted(changes.items())
    )


def _top_k(body: dict[str, Any]) -> int:
    value = body.get("top_k", 5)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_HITS:
        raise _invalid("top_k", f"top_k must be a whole number from 1 to {MOST_HITS}.")
    return value


def _flag(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise _invalid(name, f"{name} is true or false.")
    return value


def _text(body: dict[str, Any], name: str, default: str) -> str:
    value = body.get(name) or default
    if not isinstance(value, str) or len(value) > 200:
        raise _invalid(name, f"{name} must be a short text.")
    return value


def _uuid(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise _invalid(name, f"{name} must be a UUID.") from None


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": field})
