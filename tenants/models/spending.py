"""Which model answers what, what it costs, and how much a tenant or a key may spend."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now

from tenants.models.people import ApiKey
from tenants.models.tenant import Provider, Tenant

NOT_NEGATIVE = [MinValueValidator(Decimal(0))]


class ModelRoute(models.Model):
    """The model that answers questions of a tier; those after the first are its fallbacks, in order."""

    class Tier(models.TextChoices):
        SIMPLE = "simple"
        MODERATE = "moderate"
        COMPLEX = "complex"
        # Rewrites questions: follow-ups, and several wordings of one.
        REWRITE = "rewrite"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    tier = models.CharField(max_length=10, choices=Tier.choices)
    position = models.PositiveSmallIntegerField(default=0)
    # Null: the tenant's own endpoint, or the installation's.
    provider = models.ForeignKey(Provider, null=True, blank=True, on_delete=models.CASCADE)
    model = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "tier", "position"], name="one_route_a_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tier} #{self.position}: {self.model}"

    if TYPE_CHECKING:
        tenant_id: int
        provider_id: int | None


class ModelPrice(models.Model):
    """US dollars that a model costs here, instead of its published price. No tenant: for all.

    `unit` tokens: per million. `unit` calls: per thousand, of the services `search` and `rerank`.
    """

    class Unit(models.TextChoices):
        TOKENS = "tokens"
        CALLS = "calls"

    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE)
    model = models.CharField(max_length=120)
    unit = models.CharField(max_length=10, choices=Unit.choices, default=Unit.TOKENS)
    input_usd = models.DecimalField(max_digits=12, decimal_places=6, validators=NOT_NEGATIVE)
    output_usd = models.DecimalField(
        max_digits=12, decimal_places=6, default=Decimal(0), validators=NOT_NEGATIVE
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "model"], name="one_price_a_model", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.input_usd} + {self.output_usd}"

    if TYPE_CHECKING:
        tenant_id: int | None


class Budget(models.Model):
    """The most a tenant, or one of its keys, may spend in a day or a month of the tenant's time."""

    class Period(models.TextChoices):
        DAY = "day"
        MONTH = "month"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    api_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.CASCADE)
    period = models.CharField(max_length=5, choices=Period.choices)
    amount_usd = models.DecimalField(max_digits=14, decimal_places=6, validators=NOT_NEGATIVE)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "api_key", "period"],
                name="one_budget_a_period",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount_usd} a {self.period}"

    if TYPE_CHECKING:
        tenant_id: int


class BudgetPeriod(models.Model):
    """What was spent and is reserved of a budget in one of its days or months."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE)
    starts_on = models.DateField()
    spent_usd = models.DecimalField(
        max_digits=16, decimal_places=9, default=Decimal(0), db_default=Decimal(0)
    )
    reserved_usd = models.DecimalField(
        max_digits=16, decimal_places=9, default=Decimal(0), db_default=Decimal(0)
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["budget", "starts_on"], name="one_row_a_period")
        ]

    def __str__(self) -> str:
        return f"{self.starts_on}: {self.spent_usd} + {self.reserved_usd}"


class BudgetReservation(models.Model):
    """Money that an answer on its way may still spend; given back if its process ends first."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE)
    answer_id = models.UUIDField(db_index=True)
    amount_usd = models.DecimalField(max_digits=16, decimal_places=9)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.amount_usd} for {self.answer_id}"
