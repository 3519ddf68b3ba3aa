"""Prices for the operator's page: what is set here, what is in use, and what has no price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import F, Q

from tenants.config_rows import environment_endpoint
from tenants.models import ModelPrice, ModelRoute, Provider, Tenant
from tenants.published_prices import published_price

if TYPE_CHECKING:
    from django.db.models import QuerySet

# Named like models, so that they can have a price: a search, and a call of the re-ranker.
SERVICES = ("search", "rerank")
FREE_EMBEDDERS = ("local:", "fastembed:")


def find_prices(text: str) -> QuerySet[ModelPrice]:
    """Those for all tenants first. `text`: a part of the model's name or the tenant's."""
    rows = ModelPrice.objects.select_related("tenant")
    if text:
        named = Q(tenant__slug__icontains=text) | Q(tenant__name__icontains=text)
        rows = rows.filter(Q(model__icontains=text) | named)
    return rows.order_by(F("tenant__slug").asc(nulls_first=True), "model")


def models_in_use() -> list[str]:
    """Of endpoints, routes and tenants' embeddings, in order."""
    endpoints = [environment_endpoint(), *Provider.objects.all()]
    names = {name for each in endpoints if each for name in (each.small_model, each.large_model)}
    names |= set(ModelRoute.objects.values_list("model", flat=True).distinct())
    embedders = Tenant.objects.values_list("embedding_model", flat=True).distinct()
    names.update(embedders, [settings.EMBEDDING_MODEL])
    return sorted(name for name in names if name and not name.startswith(FREE_EMBEDDERS))


def models_without_price() -> list[str]:
    """Of those in use: nobody published one, and none is set for all tenants."""
    set_here = set(ModelPrice.objects.filter(tenant=None).values_list("model", flat=True))
    return [
        name
        for name in models_in_use()
        if not {name, name.partition(":")[2]} & set_here and published_price(name) is None
    ]
