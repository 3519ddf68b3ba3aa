"""What was asked for with a question: in words, and as it is asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenants.query_words import WORDS, say_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrieval.models import QueryTrace

LABELS = {
    "model": "Model asked for",
    "top_k": "Passages asked for",
    "use_cache": "Answer cache",
    "max_tokens": "Most tokens",
    "temperature": "Temperature",
    "stop": "Stops at",
    "history": "What was said before",
}
FILTERS = {
    "document_id": "Only the document",
    "source": "Only the source",
    "path_prefix": "Only paths from",
    "access_level": "Only the level",
}
# The playground's route takes no others.
IN_PLAYGROUND = ("model", "top_k", "filters", "use_cache", "settings")


def say_options(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each. `options`: as retrieval.query.request.options_of has them."""
    said = [(label, _say(options[name])) for name, label in LABELS.items() if name in options]
    filters: dict[str, str] = options.get("filters", {})
    settings: dict[str, Any] = options.get("settings", {})
    said += [(FILTERS.get(name, name), value) for name, value in filters.items()]
    return said + [(WORDS[name][0], say_value(name, settings[name])) for name in _known(settings)]


def asked_again(trace: QueryTrace, *, may_tune: bool) -> dict[str, Any]:
    """For the body of the playground's request. Settings are tried by those who may alone."""
    kept = {name: trace.asked[name] for name in IN_PLAYGROUND if name in trace.asked}
    if not may_tune:
        kept.pop("settings", None)
    return kept


def _known(settings: dict[str, Any]) -> Iterator[str]:
    return (name for name in settings if name in WORDS)


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "used" if value else "not used"
    return ", ".join(map(repr, value)) if isinstance(value, list) else str(value)
