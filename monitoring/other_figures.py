"""Figures that alerts watch beside the usage: budgets, syncs, isolation, services. Each is read with a
fixed number of queries, however many tenants there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Count, Q

from monitoring.levels import Reading
from monitoring.models import RollupState, SyncOutcome
from ragadmin.health import run_checks
from tenants.budget_figures import today_in
from tenants.isolation.runs import list_runs
from tenants.models import Budget

if TYPE_CHECKING:
    from datetime import datetime

Readings = dict[int | None, Reading]
FAILED = "failed"
# As tenants.budget_figures.FIGURES counts one tenant's. Zones come with the day it is there, because
# Postgres does not know every name that Python knows.
BUDGETS_USED = """
SELECT b.tenant_id, count(*), max(CASE WHEN b.amount_usd = 0 THEN 1 ELSE
    (coalesce(p.spent_usd, 0) + coalesce(p.reserved_usd, 0) - coalesce(lapsed.usd, 0)) / b.amount_usd END)
FROM tenants_budget b
JOIN tenants_tenant t ON t.id = b.tenant_id
JOIN unnest(%(zones)s::text[], %(days)s::date[], %(months)s::date[]) AS z(zone, day, month)
    ON z.zone = t.timezone
LEFT JOIN tenants_apikey k ON k.id = b.api_key_id
LEFT JOIN tenants_budgetperiod p ON p.budget_id = b.id
    AND p.starts_on = CASE b.period WHEN 'day' THEN z.day ELSE z.month END
LEFT JOIN LATERAL (
    SELECT sum(r.amount_usd) AS usd FROM tenants_budgetreservation r
    WHERE r.period_id = p.id AND r.expires_at <= now()) lapsed ON true
WHERE k.revoked_at IS NULL
GROUP BY b.tenant_id
"""


def budgets_used(start: datetime, now: datetime) -> Readings:
    """The share that is spent or reserved of the tightest budget of each tenant."""
    zones = list(Budget.objects.values_list("tenant__timezone", flat=True).distinct())
    days = [today_in(zone, now) for zone in zones]
    values = {
        "zones": zones,
        "days": [today.day for today in days],
        "months": [today.month for today in days],
    }
    with connection.cursor() as cursor:
        cursor.execute(BUDGETS_USED, values)
        return {tenant: Reading(float(used), count) for tenant, count, used in cursor.fetchall()}


def failed_syncs(start: datetime, now: datetime) -> Readings:
    ended = SyncOutcome.objects.filter(finished_at__gt=start, finished_at__lte=now)
    rows = ended.values("tenant_id").annotate(
        ended=Count("pk"), failed=Count("pk", filter=Q(status=FAILED))
    )
    found: Readings = {row["tenant_id"]: Reading(row["failed"], row["ended"]) for row in rows}
    failed = sum(reading.value or 0 for reading in found.values())
    found[None] = Reading(failed, sum(reading.count for reading in found.values()))
    return found


def isolation_leaks(start: datetime, now: datetime) -> Readings:
    newest = list_runs().filter(finished_at__lte=now).first()
    return {None: Reading(newest.leaks, newest.probes)} if newest else {}


def services_down(start: datetime, now: datetime) -> Readings:
    checks = run_checks()
    return {None: Reading(sum(not check.ok for check in checks), len(checks))}


def rollup_lag(start: datetime, now: datetime) -> Readings:
    state = RollupState.objects.order_by("pk").first()
    if state is None or state.rolled_up_at is None:
        return {}
    return {None: Reading(max(0.0, (now - state.rolled_up_at).total_seconds()), 1)}
