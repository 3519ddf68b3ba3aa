"""For how long figures are kept: the shorter the stretch of time of a row, the sooner it goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from monitoring.models import DailyReport, HourlySpending, HourlyUsage, RecentUsage, TenantHour
from monitoring.partitions import drop_days, make_days
from monitoring.reports.daily import CATCH_UP_DAYS
from monitoring.rollups import RECENT_DAYS

if TYPE_CHECKING:
    from django.db.models import Model

log = structlog.get_logger(__name__)

# As many as two years need to be compared with each other. Days and totals are kept for ever.
HOURLY_DAYS = 800
KEPT_DAYS: dict[type[Model], int] = {
    RecentUsage: RECENT_DAYS,
    HourlyUsage: HOURLY_DAYS,
    HourlySpending: HOURLY_DAYS,
    TenantHour: HOURLY_DAYS,
}


def tend_figures(now: datetime | None = None) -> None:
    """Makes the ledger's next days and drops what is older than it is kept."""
    now = now or datetime.now(UTC)
    oldest = (now - timedelta(settings.METRIC_DAYS)).date()
    made, dropped = make_days(now.date(), oldest), drop_days(oldest)
    if made or dropped:
        log.info("the ledger's days", made=len(made), dropped=len(dropped))
    for model, days in KEPT_DAYS.items():
        model._default_manager.filter(starts_at__lt=now - timedelta(days)).delete()  # noqa: SLF001
    _forget_reports(now)


def _forget_reports(now: datetime) -> None:
    """What was sent of a day, as long as ratings and late answers can still change its figures. The report
    of any day is made of the sums of days. One that is due would be made and sent again."""
    days = max(settings.METRIC_DAYS, CATCH_UP_DAYS + 2)
    DailyReport.objects.filter(date__lt=(now - timedelta(days)).date()).delete()
