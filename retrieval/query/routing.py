"""Which model answers: complexity decides the tier, the tier decides the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragadmin.errors import InvalidRequest
from retrieval.providers import extractive
from retrieval.types import RouteDecision

if TYPE_CHECKING:
    from tenants.config import ModelEndpoint

SIMPLE, MODERATE, COMPLEX = "simple", "moderate", "complex"
EXTRACTIVE = RouteDecision("extractive", extractive.MODEL, "no chat model is configured")
SHORT_QUESTION_WORDS = 20


def classify_complexity(question: str, context_count: int) -> str:
    """Simple: a short question on at most two passages. Moderate: at most five. Else complex."""
    if context_count <= 2 and len(question.split()) < SHORT_QUESTION_WORDS:
        return SIMPLE
    return MODERATE if context_count <= 5 else COMPLEX


def available_models(endpoint: ModelEndpoint | None) -> list[str]:
    """What a caller may name as `model`, beside `auto`."""
    named = [endpoint.small_model, endpoint.large_model] if endpoint else []
    return list(dict.fromkeys([*named, extractive.MODEL]))


def check_model(wanted: str, endpoint: ModelEndpoint | None) -> None:
    """Raises InvalidRequest with code model_not_found."""
    names = ["auto", *available_models(endpoint)]
    if wanted not in names:
        raise InvalidRequest(
            f"There is no model {wanted!r} here; there are {', '.join(names)}.",
            code="model_not_found",
            extra={"field": "model"},
        )


def decide(
    wanted: str, endpoint: ModelEndpoint | None, question: str, context_count: int
) -> RouteDecision:
    if wanted == extractive.MODEL:
        return RouteDecision("extractive", extractive.MODEL, "asked for by name")
    if endpoint is None:
        return EXTRACTIVE
    tier = classify_complexity(question, context_count)
    if wanted != "auto":
        return RouteDecision(tier, wanted, "asked for by name")
    reason = f"{len(question.split())} words, {context_count} passages"
    model = endpoint.large_model if tier == COMPLEX else endpoint.small_model
    return RouteDecision(tier, model, reason)
