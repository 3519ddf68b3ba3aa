"""The day that a report is of."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitoring.periods import between
from ragadmin.errors import InvalidRequest

if TYPE_CHECKING:
    from monitoring.periods import Period
    from tenants.models import Tenant

FLEET_ZONE = "UTC"
FIRST_YEAR = 2000
A_DAY = timedelta(days=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Day:
    """Of a tenant, in its time zone; without one, of the fleet and in UTC. It has 23 hours or 25 where
    clocks are set."""

    date: date
    tenant: Tenant | None = None

    @property
    def timezone(self) -> str:
        return self.tenant.timezone if self.tenant else FLEET_ZONE

    @property
    def tenant_id(self) -> int | None:
        return self.tenant.pk if self.tenant else None

    @property
    def period(self) -> Period:
        return between(self.date, self.date, timezone=self.timezone, bucket="day")

    @property
    def before(self) -> Day:
        return replace(self, date=self.date - A_DAY)

    @property
    def hours(self) -> float:
        return (self.period.end - self.period.start) / timedelta(hours=1)

    def is_over(self, now: datetime) -> bool:
        return self.period.end <= now


def today(tenant: Tenant | None, now: datetime) -> date:
    return now.astimezone(ZoneInfo(tenant.timezone if tenant else FLEET_ZONE)).date()


def read_day(raw: str, tenant: Tenant | None, *, began_at: datetime, now: datetime) -> Day:
    """Empty: yesterday, or today where that is the first day there is. Raises InvalidRequest."""
    present = today(tenant, now)
    if not raw:
        first = began_at.astimezone(ZoneInfo(tenant.timezone if tenant else FLEET_ZONE)).date()
        return Day(max(first, present - A_DAY) if first <= present else present, tenant)
    wanted = _parse(raw)
    if wanted > present:
        zone = tenant.timezone if tenant else FLEET_ZONE
        raise InvalidRequest(
            f"{wanted} has not come yet: in {zone} it is {present}. Ask for that day or an earlier one.",
            code="future_date",
            extra={"field": "date", "today": present.isoformat()},
        )
    return Day(wanted, tenant)


def _parse(raw: str) -> date:
    try:
        if not _DATE.fullmatch(raw):
            raise ValueError(raw)
        found = date.fromisoformat(raw)
        if found.year < FIRST_YEAR:
            raise ValueError(raw)
    except ValueError:
        raise InvalidRequest(
            f"date is a day such as 2026-03-01, from the year {FIRST_YEAR} on, and not {raw[:40]!r}.",
            extra={"field": "date"},
        ) from None
    return found
