"""What tests of budgets share."""

from __future__ import annotations

from decimal import Decimal

from tenants.access import tenant_config
from tenants.budget_figures import today_in
from tenants.config import Caller
from tenants.models import Budget, BudgetPeriod


def add_budget(tenant, amount, *, period="day", key=None, spent=0):
    made = Budget.objects.create(
        tenant=tenant, api_key=key, period=period, amount_usd=Decimal(amount)
    )
    if spent:
        today = today_in(tenant.timezone)
        starts_on = today.day if period == "day" else today.month
        BudgetPeriod.objects.create(budget=made, starts_on=starts_on, spent_usd=Decimal(spent))
    return made


def asker(tenant):
    return Caller(tenant_config(tenant), ("public",), frozenset({"query"}), "tester", user_id=1)
