"""Which model answers: complexity decides the tier, the tier decides the models, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest
from retrieval.providers import extractive
from retrieval.types import RouteDecision

if TYPE_CHECKING:
    from retrieval.query.run import Run
    from tenants.config import ModelEndpoint, TenantConfig
    from tenants.query_settings import QuerySettings

SIMPLE, MODERATE, COMPLEX = "simple", "moderate", "complex"


@dataclass(frozen=True, slots=True)
class Choice:
    model: str
    endpoint: ModelEndpoint


@dataclass(frozen=True, slots=True)
class Plan:
    """`choices` are asked in order; none left, or none at all: the passages are quoted."""

    tier: str
    reason: str
    features: dict[str, Any]
    choices: tuple[Choice, ...] = ()

    @property
    def model(self) -> str:
        return self.choices[0].model if self.choices else extractive.MODEL

    @property
    def announced(self) -> dict[str, Any]:
        return {"model": self.model, "tier": self.tier, "reason": self.reason}

    def decision(self, model: str, tried: tuple[tuple[str, str], ...] = ()) -> RouteDecision:
        return RouteDecision(self.tier, model, self.reason, self.features, tried)


def classify_complexity(question: str, context_count: int, settings: QuerySettings) -> str:
    """Simple: a short question on few passages. Moderate: some more of them. Else complex."""
    words = len(question.split())
    if context_count <= settings.simple_passages and words < settings.simple_words:
        return SIMPLE
    return MODERATE if context_count <= settings.moderate_passages else COMPLEX


def available_models(tenant: TenantConfig) -> list[str]:
    """What a caller may name as `model`, beside `auto`."""
    routed = [route.model for route in tenant.routes if route.tier != "rewrite"]
    endpoint = tenant.endpoint
    named = [endpoint.small_model, endpoint.large_model] if endpoint else []
    return list(dict.fromkeys([*routed, *named, extractive.MODEL]))


def check_model(wanted: str, tenant: TenantConfig) -> None:
    """Raises InvalidRequest with code model_not_found."""
    names = ["auto", *available_models(tenant)]
    if wanted not in names:
        raise InvalidRequest(
            f"There is no model {wanted!r} here; there are {', '.join(names)}.",
            code="model_not_found",
            extra={"field": "model"},
        )


async def plan(run: Run) -> Plan:
    with run.clock.span("route") as span:
        chosen = choose(run)
        span.attributes.update(chosen.announced)
    return chosen


def choose(run: Run) -> Plan:
    tenant, wanted = run.caller.tenant, run.request.model
    count = len(run.outcome.hits)
    features = {"words": len(run.question.split()), "passages": count}
    if wanted == extractive.MODEL:
        return Plan("extractive", "asked for by name", features)
    if tenant.endpoint is None:
        return Plan("extractive", "no chat model is configured", features)
    tier = classify_complexity(run.question, count, tenant.query)
    if wanted != "auto":
        return Plan(tier, "asked for by name", features, (Choice(wanted, tenant.endpoint),))
    small, large = tenant.endpoint.small_model, tenant.endpoint.large_model
    model = large if tier == COMPLEX else small
    reason = f"{features['words']} words, {count} passages"
    return Plan(tier, reason, features, (Choice(model, tenant.endpoint),))
