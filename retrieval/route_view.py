"""Which models answer, as the settings show it: by tier, with what is in force and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.query.pricing import find_price
from retrieval.query.prompt import build_messages
from retrieval.query.routing import choices_for
from tenants.config_rows import environment_endpoint
from tenants.models import ModelRoute, Provider
from tenants.routes import MOST_MODELS, list_routes

if TYPE_CHECKING:
    from retrieval.query.routing import Choice
    from retrieval.types import Price
    from tenants.config import TenantConfig
    from tenants.models import Tenant
    from tenants.routes import RoutedModel

TIERS = {
    "simple": ("Simple", "Short questions on few passages, and every question once a budget runs short."),
    "moderate": ("Moderate", "Questions on some more passages."),
    "complex": ("Complex", "Everything else: long questions, many passages."),
    "rewrite": ("Rewriting", "Completes follow-up questions and finds other wordings. A small model will do."),
}  # fmt: skip
PLACEHOLDER = "(Your instructions stand here.)"


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A model in its place. `route` None: not set, but what is in force without."""

    place: int
    model: str
    endpoint: str
    price: Price | None
    route: RoutedModel | None = None
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class TierView:
    tier: str
    title: str
    about: str
    rows: list[RouteRow]
    is_set: bool
    is_full: bool


@dataclass(frozen=True, slots=True)
class PromptPreview:
    """The system message in three parts, of which the tenant's own is the middle, and the question's."""

    before: str
    own: str
    question: str


def view_tiers(tenant: Tenant, config: TenantConfig) -> list[TierView]:
    routes = list_routes(tenant)
    return [
        TierView(
            tier=tier,
            title=title,
            about=about,
            rows=_set_rows(routes[tier], config) or _fallen_back(config, tier),
            is_set=bool(routes[tier]),
            is_full=len(routes[tier]) >= MOST_MODELS,
        )
        for tier, (title, about) in TIERS.items()
    ]


def known_models(config: TenantConfig) -> list[str]:
    """Names that endpoints and routes of this installation have, to choose from."""
    endpoints = [environment_endpoint(), config.endpoint, *Provider.objects.all()]
    names = {name for each in endpoints if each for name in (each.small_model, each.large_model)}
    routed = ModelRoute.objects.filter(tenant_id=config.id).values_list("model", flat=True)
    return sorted(name for name in names | set(routed) if name)


def preview_prompt(instructions: str) -> PromptPreview:
    """Made by the very function that makes the real one."""
    own = instructions.strip() or PLACEHOLDER
    system, question = build_messages("…", (), (), own)
    before, _, _ = system.content.rpartition(own)
    return PromptPreview(before.rstrip(), own, f"The passages that were found.{question.content}")


def _set_rows(routes: list[RoutedModel], config: TenantConfig) -> list[RouteRow]:
    own_endpoint = config.endpoint.name if config.endpoint else "no endpoint"
    return [
        RouteRow(
            place=place,
            model=route.model,
            endpoint=route.provider.name if route.provider else f"the tenant's ({own_endpoint})",
            price=find_price(config, route.model),
            route=route,
            is_first=place == 0,
            is_last=place == len(routes) - 1,
        )
        for place, route in enumerate(routes)
    ]


def _fallen_back(config: TenantConfig, tier: str) -> list[RouteRow]:
    return [
        _unset_row(place, choice, config) for place, choice in enumerate(choices_for(config, tier))
    ]


def _unset_row(place: int, choice: Choice, config: TenantConfig) -> RouteRow:
    price = find_price(config, choice.model)
    return RouteRow(place, choice.model, choice.endpoint.name, price)
