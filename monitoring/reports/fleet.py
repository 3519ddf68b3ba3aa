"""The tenants of a day of the fleet: numbers of each, and those that something is wrong with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitoring.periods import between
from monitoring.sums import share
from monitoring.usage import top_tenants
from tenants.models import Tenant

if TYPE_CHECKING:
    from datetime import datetime

    from monitoring.reports.days import Day
    from monitoring.usage import TenantUsage

MOST_TENANTS = 200
MOST_WORST = 10
# Of fewer a share says little.
LEAST_RATINGS, LEAST_QUESTIONS = 5, 20
MANY_DOWN, MANY_ERRORS = 0.2, 0.05


def of_tenants(day: Day, *, now: datetime) -> dict[str, Any]:
    """Within the fleet's day, whatever the tenants' own are. Two queries."""
    # By hours: no day of another zone is wholly within one of the fleet's.
    period = between(day.date, day.date, timezone=day.timezone, bucket="hour")
    found = top_tenants(period, now=now, by="questions", limit=MOST_TENANTS)
    tenants = Tenant.objects.in_bulk([each.tenant_id for each in found])
    rows = [_row(each, tenants.get(each.tenant_id)) for each in found]
    return {"tenants": rows, "worst_tenants": _worst(rows)}


def _row(usage: TenantUsage, tenant: Tenant | None) -> dict[str, Any]:
    is_unknown = bool(usage.unpriced) and not usage.cost_usd
    return {
        "slug": tenant.slug if tenant else None,
        "name": tenant.name if tenant else "A tenant that is gone",
        "total_queries": usage.questions,
        "cache_hit_rate": _rounded(share(usage.hits, usage.questions)),
        "error_rate": _rounded(share(usage.errors, usage.questions)),
        "thumbs_down_rate": _rounded(share(usage.down, usage.up + usage.down)),
        "ratings": usage.up + usage.down,
        "daily_cost": None if is_unknown else float(usage.cost_usd),
        "unpriced_answers": usage.unpriced,
    }


def _worst(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [
        (max(wrong), row, reasons) for row in rows for wrong, reasons in [_wrong(row)] if reasons
    ]
    found.sort(key=lambda each: -each[0])
    return [
        {"slug": row["slug"], "name": row["name"], "reasons": reasons}
        for _, row, reasons in found[:MOST_WORST]
    ]


def _wrong(row: dict[str, Any]) -> tuple[list[float], list[str]]:
    shares, reasons = [0.0], []
    down, errors = row["thumbs_down_rate"] or 0.0, row["error_rate"] or 0.0
    if row["ratings"] >= LEAST_RATINGS and down > MANY_DOWN:
        shares.append(down)
        reasons.append(f"{100 * down:.0f} % of {row['ratings']:,} ratings are thumbs down")
    if row["total_queries"] >= LEAST_QUESTIONS and errors > MANY_ERRORS:
        shares.append(errors)
        reasons.append(f"{100 * errors:.0f} % of {row['total_queries']:,} questions failed")
    return shares, reasons


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
