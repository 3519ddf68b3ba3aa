"""How much a tenant, or one of its keys, may spend: set, removed, and shown."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from ragadmin.errors import InvalidRequest, NotFound
from tenants.amounts import SMALLEST, clean_amount
from tenants.audit import record_event
from tenants.budget_figures import FIGURES, BudgetFigure, figure_of, figures_values, today_in
from tenants.models import ApiKey, Budget, BudgetPeriod

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tenants.models import Tenant, User

LARGEST = Decimal(10_000_000)
# The rows are locked as the hot path locks them, so that nothing is given back twice.
GIVE_BACK_LAPSED = """
WITH held AS (
    SELECT p.id FROM public.tenants_budgetperiod p WHERE p.id IN (
        SELECT r.period_id FROM public.tenants_budgetreservation r WHERE r.expires_at <= now())
    ORDER BY p.id FOR UPDATE SKIP LOCKED),
lapsed AS (
    DELETE FROM public.tenants_budgetreservation r USING held
    WHERE r.period_id = held.id AND r.expires_at <= now()
    RETURNING r.period_id, r.amount_usd),
sums AS (
    SELECT period_id, sum(amount_usd) AS amount_usd, count(*) AS lapsed FROM lapsed GROUP BY period_id),
changed AS (
    UPDATE public.tenants_budgetperiod p SET reserved_usd = p.reserved_usd - sums.amount_usd
    FROM sums WHERE p.id = sums.period_id)
SELECT coalesce(sum(lapsed), 0)::int FROM sums
"""


def budget_figures(tenant: Tenant, now: datetime | None = None) -> list[BudgetFigure]:
    """Of all budgets of the tenant and its live keys, the tenant's first."""
    today = today_in(tenant.timezone, now)
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, figures_values(tenant.pk, today, every_key=True))
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [figure_of(row, today) for row in rows]


@transaction.atomic
def set_budget(
    *,
    tenant: Tenant,
    period: str,
    amount_usd: Any,
    api_key: ApiKey | None = None,
    actor: User | str | None,
) -> Budget:
    """Makes or changes it. What was spent in the present period stays counted. Raises InvalidRequest."""
    _check_period(period)
    _check_key(tenant, api_key)
    amount = clean_amount(amount_usd, "amount_usd", least=SMALLEST, most=LARGEST)
    before = Budget.objects.filter(tenant=tenant, api_key=api_key, period=period).first()
    if before and before.amount_usd == amount:
        return before
    row, _ = Budget.objects.update_or_create(
        tenant=tenant, api_key=api_key, period=period, defaults={"amount_usd": amount}
    )
    old = str(before.amount_usd) if before else ""
    record_event(
        "budget.set", actor=actor, tenant=tenant, target=_name(row), amount_usd=[old, str(amount)]
    )
    return row


@transaction.atomic
def remove_budget(
    *, tenant: Tenant, period: str, api_key: ApiKey | None = None, actor: User | str | None
) -> bool:
    """Whether there was one. What was counted for it goes with it."""
    _check_period(period)
    rows = Budget.objects.select_for_update()
    row = rows.filter(tenant=tenant, api_key=api_key, period=period).first()
    if row is None:
        return False
    # Before their reservations go: whoever reserves at this moment has locked them too.
    list(BudgetPeriod.objects.select_for_update().filter(budget=row).order_by("pk"))
    name, amount = _name(row), str(row.amount_usd)
    row.delete()
    record_event("budget.removed", actor=actor, tenant=tenant, target=name, amount_usd=amount)
    return True


@transaction.atomic
def set_budgets(
    *,
    tenant: Tenant,
    wanted: Sequence[dict[str, Any]],
    replace: bool = False,
    actor: User | str | None,
) -> None:
    """Each with `period`, `amount_usd` (None removes it) and `api_key` (an id, or None).

    `replace` removes those that are not named. All or nothing. Raises InvalidRequest, NotFound.
    """
    named = [(each["period"], _find_key(tenant, each.get("api_key"))) for each in wanted]
    if len({(period, key and key.pk) for period, key in named}) < len(named):
        raise InvalidRequest("The same budget is named twice.", extra={"field": "budgets"})
    if replace:
        _remove_others(tenant, named, actor)
    for each, (period, key) in zip(wanted, named, strict=True):
        if each["amount_usd"] is None:
            remove_budget(tenant=tenant, period=period, api_key=key, actor=actor)
        else:
            amount = each["amount_usd"]
            set_budget(tenant=tenant, period=period, amount_usd=amount, api_key=key, actor=actor)


def give_back_lapsed() -> int:
    """Reservations of processes that ended before they settled. Safe beside any other."""
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK_LAPSED)
        return cursor.fetchone()[0]


def _remove_others(
    tenant: Tenant, named: Sequence[tuple[str, ApiKey | None]], actor: User | str | None
) -> None:
    keep = {(period, key and key.pk) for period, key in named}
    for row in Budget.objects.filter(tenant=tenant).select_related("api_key").order_by("pk"):
        if (row.period, row.api_key and row.api_key.pk) not in keep:
            remove_budget(tenant=tenant, period=row.period, api_key=row.api_key, actor=actor)


def _find_key(tenant: Tenant, key_id: Any) -> ApiKey | None:
    """Raises NotFound, also for another tenant's."""
    if key_id is None:
        return None
    row = ApiKey.objects.filter(tenant=tenant, pk=key_id, revoked_at=None).first()
    if row is None:
        raise NotFound("The tenant has no live key with this id.", extra={"field": "api_key"})
    return row


def _check_period(period: str) -> None:
    if period not in Budget.Period.values:
        raise InvalidRequest(
            f"period is one of {', '.join(Budget.Period.values)}.", extra={"field": "period"}
        )


def _check_key(tenant: Tenant, api_key: ApiKey | None) -> None:
    if api_key is not None and api_key.tenant != tenant:
        raise NotFound("The tenant has no live key with this id.", extra={"field": "api_key"})


def _name(row: Budget) -> str:
    return f"{row.api_key or 'tenant'}: {row.period}"
