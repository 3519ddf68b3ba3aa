"""What an endpoint offers at which price, and who depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, F

from tenants.config_rows import environment_endpoint
from tenants.models import ModelPrice, ModelRoute, Provider, Tenant
from tenants.published_prices import list_words, published_price

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from tenants.config import ModelEndpoint

MOST_USERS = 20


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model of an endpoint. No price: nobody knows one, and budgets refuse it."""

    name: str
    used_as: tuple[str, ...]
    input_usd: Decimal | None = None
    output_usd: Decimal | None = None
    unit: str = "tokens"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Who depends on an endpoint, the first of each kind, and who answers once it is gone."""

    tenant_count: int
    tenants: list[Tenant]
    route_count: int
    routed_tenant_count: int
    routes: list[ModelRoute]
    successor: str


def usage_of(provider: Provider) -> Usage:
    tenants = Tenant.objects.filter(provider=provider).order_by("name")
    routes = ModelRoute.objects.filter(provider=provider).select_related("tenant")
    return Usage(
        tenant_count=tenants.count(),
        tenants=list(tenants[:MOST_USERS]),
        route_count=routes.count(),
        routed_tenant_count=routes.values("tenant").distinct().count(),
        routes=list(routes.order_by("tenant__name", "tier", "position")[:MOST_USERS]),
        successor=_successor(provider),
    )


def _successor(provider: Provider) -> str:
    default = Provider.objects.filter(is_default=True).exclude(pk=provider.pk).first()
    if default:
        return default.name
    return "the endpoint from the environment" if environment_endpoint() else ""


def describe_models(
    names: Iterable[str], endpoint: ModelEndpoint, provider: Provider | None
) -> list[OfferedModel]:
    """With what they cost every tenant that has no price of its own, those in use first."""
    used = _uses(endpoint, provider)
    set_here = {row.model: row for row in ModelPrice.objects.filter(tenant=None)}
    models = [_offered(name, used.get(name, ()), set_here.get(name)) for name in names]
    return sorted(models, key=lambda model: (not model.used_as, model.name))


def _uses(endpoint: ModelEndpoint, provider: Provider | None) -> dict[str, tuple[str, ...]]:
    used: dict[str, list[str]] = {}
    for name, what in (
        (endpoint.small_model, "small model"),
        (endpoint.large_model, "large model"),
    ):
        used.setdefault(name, []).append(what)
    routes = ModelRoute.objects.filter(provider=provider) if provider else ModelRoute.objects.none()
    for row in routes.values(name=F("model")).annotate(tenants=Count("tenant", distinct=True)):
        count = row["tenants"]
        used.setdefault(row["name"], []).append(
            f"routes of {count} tenant{'s' if count != 1 else ''}"
        )
    return {name: tuple(uses) for name, uses in used.items()}


def _offered(name: str, used_as: tuple[str, ...], row: ModelPrice | None) -> OfferedModel:
    if row:
        since = f"set here on {row.updated_at.date().isoformat()}"
        return OfferedModel(name, used_as, row.input_usd, row.output_usd, row.unit, since)
    found = published_price(name)
    if found:
        since = f"published, {list_words()}"
        return OfferedModel(name, used_as, found.input_usd, found.output_usd, source=since)
    return OfferedModel(name, used_as)
