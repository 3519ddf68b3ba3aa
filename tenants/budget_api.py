"""A tenant's budgets over the API: what is used of each, and what each may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from ragadmin.drf import HasScope, TenantAPIView
from tenants.api import actor_of, read
from tenants.budget_figures import LADDER
from tenants.budgets import budget_figures, set_budgets
from tenants.models import Budget, Tenant
from tenants.serializers import StrictSerializer

if TYPE_CHECKING:
    from rest_framework.request import Request

STEPS = ("", *(step for _, step in reversed(LADDER)), "stop")
MOST_BUDGETS = 200


class BudgetFigureSerializer(serializers.Serializer[Any]):
    scope = serializers.ChoiceField(["tenant", "key"])
    api_key = serializers.UUIDField(allow_null=True)
    key_name = serializers.CharField(allow_blank=True)
    period = serializers.ChoiceField(Budget.Period.choices)
    amount_usd = serializers.FloatField()
    spent_usd = serializers.FloatField(help_text="In the present day or month.")
    reserved_usd = serializers.FloatField(help_text="For answers that are on their way.")
    share = serializers.FloatField(help_text="Spent and reserved, of the amount.")
    step = serializers.ChoiceField(STEPS, help_text="How questions are answered because of it.")
    resets_at = serializers.DateTimeField(help_text="When the next day or month begins.")


class BudgetsSerializer(serializers.Serializer[Any]):
    timezone = serializers.CharField(help_text="Of the tenant: where days and months begin.")
    budgets = BudgetFigureSerializer(many=True)


class BudgetChangeSerializer(StrictSerializer):
    api_key = serializers.UUIDField(
        allow_null=True, default=None, help_text="Of one key; without it, of the whole tenant."
    )
    period = serializers.ChoiceField(Budget.Period.choices)
    amount_usd = serializers.DecimalField(
        max_digits=14, decimal_places=6, allow_null=True, help_text="null removes the budget."
    )


class BudgetsChangeSerializer(StrictSerializer):
    budgets = serializers.ListField(child=BudgetChangeSerializer(), max_length=MOST_BUDGETS)


class BudgetView(TenantAPIView):
    permission_classes = (HasScope("admin"),)

    @extend_schema(operation_id="v1_budget_retrieve", responses=BudgetsSerializer)
    def get(self, request: Request) -> Response:
        return self._shown()

    @extend_schema(request=BudgetsChangeSerializer, responses=BudgetsSerializer)
    def put(self, request: Request) -> Response:
        """These and no others."""
        return self._set(request, replace=True)

    @extend_schema(request=BudgetsChangeSerializer, responses=BudgetsSerializer)
    def patch(self, request: Request) -> Response:
        """The named ones; the others stay."""
        return self._set(request, replace=False)

    def _set(self, request: Request, *, replace: bool) -> Response:
        wanted = read(BudgetsChangeSerializer, request)["budgets"]
        set_budgets(tenant=self._tenant(), wanted=wanted, replace=replace, actor=actor_of(request))
        return self._shown()

    def _shown(self) -> Response:
        tenant = self._tenant()
        figures = [figure.as_json() for figure in budget_figures(tenant)]
        return Response({"timezone": tenant.timezone, "budgets": figures})

    def _tenant(self) -> Tenant:
        return Tenant.objects.get(pk=self.caller.tenant.id)
