"""Which models answer a tenant's questions of each kind, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from ragadmin.errors import InvalidRequest
from tenants.audit import record_event
from tenants.models import ModelRoute, Tenant
from tenants.prices import clean_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.models import Provider, User

MOST_MODELS = 5


@dataclass(frozen=True, slots=True)
class RoutedModel:
    """No provider: the tenant's own endpoint, or the installation's."""

    model: str
    provider: Provider | None = None

    def __str__(self) -> str:
        return f"{self.provider}: {self.model}" if self.provider else self.model


def list_routes(tenant: Tenant) -> dict[str, list[RoutedModel]]:
    """By tier, every tier named; an empty list leaves the choice to the endpoint's two models."""
    found: dict[str, list[RoutedModel]] = {tier: [] for tier in ModelRoute.Tier.values}
    rows = ModelRoute.objects.filter(tenant=tenant).select_related("provider")
    for row in rows.order_by("tier", "position"):
        found[row.tier].append(RoutedModel(row.model, row.provider))
    return found


@transaction.atomic
def set_routes(
    *, tenant: Tenant, tier: str, models: Sequence[RoutedModel], actor: User | str | None
) -> None:
    """Replaces the tier's list; an empty one removes it. Raises InvalidRequest."""
    wanted = _clean(tier, models)
    # Two who save the same tier at once: the second replaces what the first has saved.
    Tenant.objects.select_for_update(of=("self",), no_key=True).get(pk=tenant.pk)
    before = list_routes(tenant)[tier]
    if before == wanted:
        return
    ModelRoute.objects.filter(tenant=tenant, tier=tier).delete()
    ModelRoute.objects.bulk_create(
        ModelRoute(
            tenant=tenant, tier=tier, position=place, provider=each.provider, model=each.model
        )
        for place, each in enumerate(wanted)
    )
    changed = [[str(each) for each in before], [str(each) for each in wanted]]
    record_event("routes.set", actor=actor, tenant=tenant, target=tier, models=changed)


def _clean(tier: str, models: Sequence[RoutedModel]) -> list[RoutedModel]:
    if tier not in ModelRoute.Tier.values:
        raise InvalidRequest(
            f"tier is one of {', '.join(ModelRoute.Tier.values)}.", extra={"field": "tier"}
        )
    wanted = [RoutedModel(clean_model(each.model), each.provider) for each in models]
    if len(wanted) > MOST_MODELS:
        raise InvalidRequest(
            f"A tier has at most {MOST_MODELS} models: each is waited for before the next is tried.",
            extra={"field": "models"},
        )
    if len(set(wanted)) < len(wanted):
        raise InvalidRequest(
            "The same model of the same endpoint is named twice.", extra={"field": "models"}
        )
    return wanted
