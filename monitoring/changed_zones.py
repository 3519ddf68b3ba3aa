"""Figures follow a tenant's time zone: days that were cut by another clock are made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection

from monitoring.rebuild import rebuild_usage
from ragadmin.errors import RagadminError
from tenants.models import Tenant

if TYPE_CHECKING:
    from datetime import date

log = structlog.get_logger(__name__)

# Tenants with days that do not begin at their midnight, as far back as the ledger goes; and the dates
# that these days reach into.
CUT_OTHERWISE = """
SELECT d.tenant_id, min(own.day AT TIME ZONE t.timezone)::date,
    max(own.day AT TIME ZONE t.timezone)::date + 1
FROM public.monitoring_tenantday d
JOIN public.tenants_tenant t ON t.id = d.tenant_id
CROSS JOIN LATERAL (SELECT date_trunc('day', d.starts_at, t.timezone) AS day) own
LEFT JOIN public.monitoring_rollupstate s ON s.id = 1
WHERE d.starts_at >= coalesce(s.kept_from, '-infinity') AND own.day <> d.starts_at
    AND own.day >= coalesce(s.kept_from, '-infinity')
GROUP BY d.tenant_id
"""


def follow_time_zones() -> list[int]:
    """The ids of the tenants whose figures were made anew."""
    return [tenant_id for tenant_id, *dates in _found() if _rebuild(tenant_id, *dates)]


def _found() -> list[tuple[int, date, date]]:
    with connection.cursor() as cursor:
        cursor.execute(CUT_OTHERWISE)
        return cursor.fetchall()


def _rebuild(tenant_id: int, first: date, last: date) -> bool:
    """One that is being deleted, or whose schema is behind, has its turn the next time or never."""
    try:
        rebuild_usage(Tenant.objects.get(pk=tenant_id), first, last)
    except (RagadminError, Tenant.DoesNotExist) as error:
        log.warning(
            "figures keep the days of another time zone", tenant=tenant_id, reason=str(error)
        )
        return False
    return True
