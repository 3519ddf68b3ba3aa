"""A tenant's budgets, routes and prices, and its query settings, in an archive.

What was set is carried; what was spent is not, because it was spent there. Endpoints are named and
their keys stay behind. Budgets of keys are told with the keys, which are made anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

from ragadmin.errors import InvalidRequest
from tenants.archive.manifest import ArchiveError
from tenants.models import Budget, ModelPrice, ModelRoute, Provider
from tenants.query_settings import DEFAULTS, FIELDS, change_settings

if TYPE_CHECKING:
    from django.db.models import Model

    from tenants.models import ApiKey, Tenant

MOST_ROWS = 1_000


def describe_spending(tenant: Tenant) -> dict[str, list[dict[str, Any]]]:
    budgets = Budget.objects.filter(tenant=tenant, api_key=None).order_by("period")
    routes = ModelRoute.objects.filter(tenant=tenant).select_related("provider")
    return {
        "budgets": [_budget(row) for row in budgets],
        "routes": [
            {
                "tier": row.tier,
                "position": row.position,
                "provider": row.provider.name if row.provider else None,
                "model": row.model,
            }
            for row in routes.order_by("tier", "position")
        ],
        "prices": [
            {
                "model": row.model,
                "unit": row.unit,
                "input_usd": str(row.input_usd),
                "output_usd": str(row.output_usd),
            }
            for row in ModelPrice.objects.filter(tenant=tenant).order_by("model")
        ],
    }


def describe_limits(key: ApiKey) -> dict[str, Any]:
    """Of a key that is to be made anew."""
    budgets = Budget.objects.filter(api_key=key).order_by("period")
    return {
        "questions_per_minute": key.questions_per_minute,
        "budgets": [_budget(row) for row in budgets],
    }


@dataclass(frozen=True, slots=True)
class Spending:
    """Rows that lack their tenant. `unknown` names endpoints that are not here: their routes are left out."""

    rows: list[Budget | ModelRoute | ModelPrice]
    unknown: list[str]

    def save(self, tenant: Tenant) -> None:
        for row in self.rows:
            row.tenant_id = tenant.pk
            row.save(using="owner", force_insert=True)


def read_spending(values: Any) -> Spending:
    """Of the manifest's `tenant`. Raises ArchiveError."""
    try:
        spending = values["spending"]
        budgets, routes, prices = (spending[name] for name in ("budgets", "routes", "prices"))
        if max(len(budgets), len(routes), len(prices)) > MOST_ROWS:
            raise ValueError("too many rows")
        here = {row.name: row for row in Provider.objects.all()}
        named = [each["provider"] for each in routes if each["provider"] is not None]
        rows: list[Any] = [
            *(Budget(period=each["period"], amount_usd=_amount(each)) for each in budgets),
            *(_route(each, here) for each in routes if each["provider"] in {None, *here}),
            *(_price(each) for each in prices),
        ]
        for row in rows:
            row.clean_fields(exclude=["tenant"])
        _check_once(rows)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise ArchiveError("The archive's budgets, routes or prices cannot be read.") from error
    except ValidationError as error:
        raise ArchiveError("The archive's budgets, routes or prices cannot be used.") from error
    return Spending(rows, sorted({name for name in named if name not in here}))


def clean_settings(tenant: Tenant) -> None:
    """Of a tenant out of an archive. Settings that are none any more are dropped. Raises ValueError, TypeError."""
    stored: Any = tenant.query_settings
    if not isinstance(stored, dict):
        raise TypeError("query_settings")
    known = {name: value for name, value in stored.items() if name in FIELDS}
    try:
        tenant.query_settings = change_settings(DEFAULTS, known).as_json()
    except InvalidRequest as error:
        raise ValueError(error.message) from error
    if tenant.timezone not in available_timezones():
        raise ValueError("timezone")
    raised = tenant.raised_threshold
    if raised is not None and not (math.isfinite(raised) and 0 <= raised <= 1):
        raise ValueError("raised_threshold")


def _budget(row: Budget) -> dict[str, Any]:
    return {"period": row.period, "amount_usd": str(row.amount_usd)}


def _amount(values: dict[str, Any], name: str = "amount_usd") -> Decimal:
    return Decimal(str(values[name]))


def _route(values: dict[str, Any], here: dict[str, Provider]) -> ModelRoute:
    provider = here[values["provider"]] if values["provider"] is not None else None
    return ModelRoute(
        tier=values["tier"],
        position=int(values["position"]),
        provider_id=provider and provider.pk,
        model=_name(values),
    )


def _price(values: dict[str, Any]) -> ModelPrice:
    return ModelPrice(
        model=_name(values),
        unit=values["unit"],
        input_usd=_amount(values, "input_usd"),
        output_usd=_amount(values, "output_usd"),
    )


def _name(values: dict[str, Any]) -> str:
    if not isinstance(values["model"], str) or not values["model"].isprintable():
        raise ValueError("model")
    return values["model"]


def _check_once(rows: list[Model]) -> None:
    """What the database would refuse. Raises ValueError."""
    keys = [
        ("budget", row.period)
        if isinstance(row, Budget)
        else ("route", row.tier, row.position)
        if isinstance(row, ModelRoute)
        else ("price", getattr(row, "model", ""))
        for row in rows
    ]
    if len(set(keys)) < len(keys):
        raise ValueError("named twice")
