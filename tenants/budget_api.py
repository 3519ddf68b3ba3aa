"""A tenant's budgets over the API: what is used of each, and what each may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from ragadmin.drf import HasScope, TenantAPIView
from ragadmin.errors import PermissionDenied
from tenants.api import actor_of, find_tenant, read
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
    """Of the caller's tenant. Its admins set budgets of keys; the tenant's own is the operator's."""

    permission_classes = (HasScope("admin"),)

    @extend_schema(operation_id="v1_budget_retrieve", responses=BudgetsSerializer)
    def get(self, request: Request) -> Response:
        return _shown(self._tenant())

    @extend_schema(request=BudgetsChangeSerializer, responses=BudgetsSerializer)
    def put(self, request: Request) -> Response:
        """These and no others."""
        return self._set(request, replace=True)

    @extend_schema(request=BudgetsChangeSerializer, responses=BudgetsSerializer)
    def patch(self, request: Request) -> Response:
        """The named ones; the others stay."""
        return self._set(request, replace=False)

    def _set(self, request: Request, *, replace: bool) -> Response:
        tenant, wanted = self._tenant(), read(BudgetsChangeSerializer, request)["budgets"]
        if "operator" not in self.caller.scopes:
            wanted = _without_the_tenants(tenant, wanted, replace=replace)
        set_budgets(tenant=tenant, wanted=wanted, replace=replace, actor=actor_of(request))
        return _shown(tenant)

    def _tenant(self) -> Tenant:
        return Tenant.objects.get(pk=self.caller.tenant.id)


class TenantBudgetView(APIView):
    """Of any tenant, for operators: its own budget too."""

    permission_classes = (HasScope("operator"),)

    @extend_schema(operation_id="v1_tenants_budget_retrieve", responses=BudgetsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return _shown(find_tenant(slug))

    @extend_schema(request=BudgetsChangeSerializer, responses=BudgetsSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """These and no others."""
        return self._set(request, slug, replace=True)

    @extend_schema(request=BudgetsChangeSerializer, responses=BudgetsSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """The named ones; the others stay."""
        return self._set(request, slug, replace=False)

    def _set(self, request: Request, slug: str, *, replace: bool) -> Response:
        tenant, wanted = find_tenant(slug), read(BudgetsChangeSerializer, request)["budgets"]
        set_budgets(tenant=tenant, wanted=wanted, replace=replace, actor=actor_of(request))
        return _shown(tenant)


def _shown(tenant: Tenant) -> Response:
    figures = [figure.as_json() for figure in budget_figures(tenant)]
    return Response({"timezone": tenant.timezone, "budgets": figures})


def _without_the_tenants(
    tenant: Tenant, wanted: list[dict[str, Any]], *, replace: bool
) -> list[dict[str, Any]]:
    """The tenant's own budgets as they are, beside what is wanted of keys. Raises PermissionDenied."""
    rows = Budget.objects.filter(tenant=tenant, api_key=None)
    own = {row.period: row.amount_usd for row in rows}
    of_keys = [each for each in wanted if each["api_key"] is not None]
    if any(
        each["amount_usd"] != own.get(each["period"]) for each in wanted if each["api_key"] is None
    ):
        raise PermissionDenied(
            "The operator of this installation sets the tenant's budget: name a key.",
            extra={"field": "api_key"},
        )
    kept = [{"period": period, "amount_usd": amount} for period, amount in own.items()]
    return of_keys + kept if replace else of_keys
