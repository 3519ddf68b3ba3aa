"""Reports of days that ended: found for all tenants at once, made once and sent once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from monitoring.models import Notifier
from monitoring.outbox import store
from monitoring.reports import fleet
from monitoring.reports.days import FLEET_ZONE, Day
from monitoring.reports.figures import read_reports
from monitoring.reports.message import EVENT, payload_of
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.reports.figures import Report

log = structlog.get_logger(__name__)

# After a time without a worker: older days are shown when somebody looks, and not made.
CATCH_UP_DAYS = 7
# An answer belongs to the day of its question, and may end a little later.
GRACE = timedelta(minutes=2)
AT_ONCE = 200
# The day's end as Python has it may come later than the database's, where their rules of zones differ.
UNFINISHED = frozenset({"counting", "running"})
# Days of each tenant's own clock that are over and have no report, since the tenant is there; the
# fleet's among them.
DUE = """
WITH places AS (
    SELECT id AS tenant_id, timezone, created_at FROM tenants_tenant
    WHERE NOT starts_with(slug, %(canary)s) AND NOT starts_with(slug, %(comparison)s)
    UNION ALL
    SELECT NULL, %(fleet_zone)s, min(created_at) FROM tenants_tenant
)
SELECT p.tenant_id, d.day::date FROM places p
CROSS JOIN LATERAL generate_series(
    greatest((p.created_at AT TIME ZONE p.timezone)::date,
        (%(now)s::timestamptz AT TIME ZONE p.timezone)::date - %(days)s)::timestamp,
    ((%(now)s::timestamptz - %(grace)s) AT TIME ZONE p.timezone)::date - interval '1 day',
    interval '1 day'
) d(day)
WHERE p.created_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM monitoring_dailyreport r
    WHERE r.tenant_id = p.tenant_id AND r.date = d.day::date
) AND NOT (p.tenant_id IS NULL AND EXISTS (
    SELECT FROM monitoring_dailyreport r WHERE r.tenant_id IS NULL AND r.date = d.day::date
))
ORDER BY d.day, p.tenant_id LIMIT %(limit)s
"""
# Whoever comes second keeps nothing, and so sends nothing.
KEEP = """
INSERT INTO monitoring_dailyreport (tenant_id, date, figures, made_at, sent_at)
SELECT x.tenant_id, x.date, x.figures, now(), CASE WHEN x.is_sent THEN now() END
FROM jsonb_to_recordset(%s::jsonb) x(tenant_id bigint, date date, figures jsonb, is_sent boolean)
ON CONFLICT (tenant_id, date) DO NOTHING RETURNING tenant_id, date
"""


def make_due_reports(now: datetime | None = None) -> int:
    """How many it made. Days that are not summed up yet come the next time."""
    now = now or timezone.now()
    made = 0
    while days := _due(now):
        reports = [one for one in read_reports(days, now=now) if one.state not in UNFINISHED]
        if not reports:
            break
        try:
            made += _keep(reports, now)
        except IntegrityError:  # a tenant was deleted meanwhile
            log.info("reports are made the next time", reports=len(reports))
            break
        if len(reports) < len(days) or len(days) < AT_ONCE:
            break
    return made


def _due(now: datetime) -> list[Day]:
    values = {
        "now": now,
        "days": CATCH_UP_DAYS,
        "grace": GRACE,
        "limit": AT_ONCE,
        "fleet_zone": FLEET_ZONE,
        "canary": Tenant.CANARY_PREFIX,
        "comparison": Tenant.COMPARISON_PREFIX,
    }
    with connection.cursor() as cursor:
        cursor.execute(DUE, values)
        rows = cursor.fetchall()
    tenants = Tenant.objects.in_bulk({tenant_id for tenant_id, _ in rows if tenant_id})
    return [
        Day(day, tenants.get(tenant_id)) for tenant_id, day in rows if _is_there(tenant_id, tenants)
    ]


def _is_there(tenant_id: int | None, tenants: dict[int, Tenant]) -> bool:
    return tenant_id is None or tenant_id in tenants


def _keep(reports: Sequence[Report], now: datetime) -> int:
    with transaction.atomic():
        notifiers = _notifiers({one.day.tenant_id for one in reports})
        figures = {_key(one.day): figures_of(one, now) for one in reports}
        receivers = {
            _key(one.day): notifiers.get(one.day.tenant_id, []) if _is_news(one, now) else []
            for one in reports
        }
        rows = [
            {
                "tenant_id": tenant_id,
                "date": date,
                "figures": figures[tenant_id, date],
                "is_sent": bool(receivers[tenant_id, date]),
            }
            for tenant_id, date in figures
        ]
        with connection.cursor() as cursor:
            cursor.execute(KEEP, [json.dumps(rows, default=str)])
            kept = cursor.fetchall()
        for key in kept:
            payload = payload_of(figures[key])
            store(receivers[key], EVENT, [payload] * len(receivers[key]))
    if kept:
        log.info("daily reports made", reports=len(kept))
    return len(kept)


def figures_of(report: Report, now: datetime) -> dict[str, Any]:
    """With the fleet's tenants. Questions are never among them."""
    found = report.as_json()
    if report.day.tenant is None:
        found["extra"] |= fleet.of_tenants(report.day, now=now)
    return found


def _is_news(report: Report, now: datetime) -> bool:
    """The last day only: after a standstill nobody wants a mail for each day. And none about nothing."""
    is_last = replace(report.day, date=report.day.date + timedelta(days=1)).period.end > now - GRACE
    return is_last and report.sums.questions > 0


def _key(day: Day) -> tuple[int | None, Any]:
    return day.tenant_id, day.date


def _notifiers(tenant_ids: set[int | None]) -> dict[int | None, list[Notifier]]:
    whose = Q(tenant_id__in=tenant_ids - {None})
    if None in tenant_ids:
        whose |= Q(tenant_id=None)
    found: dict[int | None, list[Notifier]] = {}
    for notifier in Notifier.objects.filter(whose, sends_reports=True, is_enabled=True):
        found.setdefault(notifier.tenant_id, []).append(notifier)
    return found
