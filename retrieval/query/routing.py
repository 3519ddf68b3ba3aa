"""Which model answers: complexity decides the tier, the tier decides the models, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragadmin.errors import InvalidRequest
from retrieval.providers import extractive
from retrieval.types import RouteDecision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrieval.query.run import Run
    from tenants.config import ModelEndpoint, TenantConfig
    from tenants.query_settings import QuerySettings

SIMPLE, MODERATE, COMPLEX, REWRITE = "simple", "moderate", "complex", "rewrite"
# Whose models answer where a tier has none of its own, and there is no endpoint with two models.
NEAREST = {
    SIMPLE: (MODERATE, COMPLEX),
    MODERATE: (SIMPLE, COMPLEX),
    COMPLEX: (MODERATE, SIMPLE),
    REWRITE: (SIMPLE, MODERATE, COMPLEX),
}
SMALL_MODEL_STEPS = frozenset({"small_model", "fewer_passages"})
NO_MODEL = "no_model"
LONGEST_REASON = 300
BY_NAME = "asked for by name"


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
    # Asked as well where the budget has no room for the others.
    cheaper: tuple[Choice, ...] = ()
    # The caller named the model: what goes wrong with it is told, and nothing else answers.
    is_named: bool = False

    @property
    def model(self) -> str:
        return self.choices[0].model if self.choices else extractive.MODEL

    @property
    def announced(self) -> dict[str, Any]:
        return {"model": self.model, "tier": self.tier, "reason": self.reason}

    def decision(
        self, model: str, tried: tuple[tuple[str, str], ...] = (), reasons: Iterable[str] = ()
    ) -> RouteDecision:
        reason = "; ".join([self.reason, *reasons])[:LONGEST_REASON]
        return RouteDecision(self.tier, model, reason, self.features, tried)


def classify_complexity(question: str, context_count: int, settings: QuerySettings) -> str:
    """Simple: a short question on few passages. Moderate: some more of them. Else complex."""
    return tier_of(len(question.split()), context_count, settings)


def tier_of(words: int, passages: int, settings: QuerySettings) -> str:
    if passages <= settings.simple_passages and words < settings.simple_words:
        return SIMPLE
    return MODERATE if passages <= settings.moderate_passages else COMPLEX


def choices_for(tenant: TenantConfig, tier: str) -> tuple[Choice, ...]:
    """The models of a tier in the order in which they are asked."""
    if routed := _routed(tenant, tier):
        return routed
    if tenant.endpoint is not None:
        small, large = tenant.endpoint.small_model, tenant.endpoint.large_model
        order = {COMPLEX: (large, small), REWRITE: (small,)}.get(tier, (small, large))
        return tuple(Choice(name, tenant.endpoint) for name in dict.fromkeys(order) if name)
    return next((found for other in NEAREST[tier] if (found := _routed(tenant, other))), ())


def small_choices(tenant: TenantConfig) -> tuple[Choice, ...]:
    """Those that are left when money is short."""
    return _routed(tenant, SIMPLE) or choices_for(tenant, SIMPLE)[:1]


def _routed(tenant: TenantConfig, tier: str) -> tuple[Choice, ...]:
    return tuple(
        Choice(route.model, endpoint)
        for route in tenant.routes
        if route.tier == tier and (endpoint := route.endpoint or tenant.endpoint)
    )


def available_models(tenant: TenantConfig) -> list[str]:
    """What a caller may name as `model`, beside `auto`."""
    return [*_by_name(tenant), extractive.MODEL]


def _by_name(tenant: TenantConfig) -> dict[str, Choice]:
    """Every model that a question may be answered by; the first place that has it counts."""
    found: dict[str, Choice] = {}
    for tier in (SIMPLE, MODERATE, COMPLEX):
        for choice in _routed(tenant, tier):
            found.setdefault(choice.model, choice)
    if endpoint := tenant.endpoint:
        for name in (endpoint.small_model, endpoint.large_model):
            if name:
                found.setdefault(name, Choice(name, endpoint))
    return found


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
        span.attributes.update(chosen.announced, **chosen.features)
    return chosen


def choose(run: Run) -> Plan:
    tenant, wanted, step = run.caller.tenant, run.request.model, run.purse.step
    words, passages = len(run.question.split()), len(run.outcome.hits)
    features = {"words": words, "passages": passages}
    if wanted == extractive.MODEL:
        return Plan("extractive", BY_NAME, features)
    tier = tier_of(words, passages, tenant.query)
    small = small_choices(tenant)
    if not small and not choices_for(tenant, tier):
        return Plan("extractive", "no chat model is configured", features)
    if step == NO_MODEL:
        return Plan(tier, f"budget: {run.purse.described or 'no model is asked'}", features)
    reason = f"{words} words, {passages} passages"
    if wanted != "auto":
        named = _by_name(tenant)[wanted]
        if step not in SMALL_MODEL_STEPS or named in small:
            return Plan(tier, BY_NAME, features, (named,), small, is_named=True)
    if step in SMALL_MODEL_STEPS:
        return Plan(tier, f"budget: {run.purse.described or 'small model'}", features, small)
    return Plan(tier, reason, features, choices_for(tenant, tier), small)


def largest(tenant: TenantConfig) -> Choice | None:
    """What answers when nothing is saved: the first model of the complex tier."""
    return next(iter(choices_for(tenant, COMPLEX)), None)
