"""What models cost here, where that is not what their makers have published."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Q

from ragadmin.errors import InvalidRequest
from tenants.amounts import clean_amount
from tenants.audit import record_event
from tenants.models import ModelPrice

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tenants.models import Tenant, User

LARGEST = Decimal(100_000)
LONGEST_NAME = 120


def list_prices(tenant: Tenant | None) -> QuerySet[ModelPrice]:
    """The tenant's own, then the installation's. No tenant: the installation's alone."""
    of_all = Q(tenant=None)
    which = of_all | Q(tenant=tenant) if tenant else of_all
    return ModelPrice.objects.filter(which).order_by(F("tenant").asc(nulls_last=True), "model")


@transaction.atomic
def set_price(
    *,
    tenant: Tenant | None,
    model: str,
    input_usd: Any,
    output_usd: Any = 0,
    unit: str = ModelPrice.Unit.TOKENS,
    actor: User | str | None,
) -> ModelPrice:
    """US dollars a million tokens, or a thousand calls (`unit` calls, where output costs nothing).

    No tenant: for all that have none of their own. Raises InvalidRequest.
    """
    model = clean_model(model)
    values = {
        "unit": _clean_unit(unit),
        "input_usd": _clean(input_usd, "input_usd"),
        "output_usd": _clean(output_usd, "output_usd"),
    }
    if unit == ModelPrice.Unit.CALLS and values["output_usd"]:
        raise InvalidRequest(
            "What is paid by the call has one price: leave output_usd at 0.",
            extra={"field": "output_usd"},
        )
    row, _ = ModelPrice.objects.update_or_create(tenant=tenant, model=model, defaults=values)
    shown = {name: str(value) for name, value in values.items()}
    record_event("price.set", actor=actor, tenant=tenant, target=model, **shown)
    return row


@transaction.atomic
def remove_price(*, tenant: Tenant | None, model: str, actor: User | str | None) -> bool:
    """Whether there was one. The published price is in force again, if there is one."""
    deleted, _ = ModelPrice.objects.filter(tenant=tenant, model=model.strip()).delete()
    if deleted:
        record_event("price.removed", actor=actor, tenant=tenant, target=model.strip())
    return bool(deleted)


def clean_model(model: str, field: str = "model") -> str:
    """Raises InvalidRequest."""
    cleaned = model.strip()
    if not 0 < len(cleaned) <= LONGEST_NAME or not cleaned.isprintable():
        raise InvalidRequest(
            f"A model's name has 1 to {LONGEST_NAME} characters, as its endpoint lists it.",
            extra={"field": field},
        )
    return cleaned


def _clean(value: Any, field: str) -> Decimal:
    return clean_amount(value, field, least=Decimal(0), most=LARGEST)


def _clean_unit(unit: str) -> str:
    if unit not in ModelPrice.Unit.values:
        raise InvalidRequest(
            f"unit is one of {', '.join(ModelPrice.Unit.values)}.", extra={"field": "unit"}
        )
    return unit
