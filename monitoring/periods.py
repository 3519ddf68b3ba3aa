"""Stretches of time that figures are shown for, cut into bars at the clock of a time zone.

Moments are kept in UTC: two of the same zone would be compared by what its clock shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from ragadmin.errors import InvalidRequest
from retrieval.moments import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Mapping

Bucket = Literal["5min", "hour", "day", "week", "month"]

# What a range is called in the URL, its words, and its length in days or hours.
HOURS = {"24h": 24}
DAYS = {"7d": 7, "30d": 30, "90d": 90, "1y": 365}
WORDS = {
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "1y": "Last year",
}
DEFAULT = "24h"
LONGEST_DAYS = 800
# In days. Bars are as long as makes at most some ninety of them.
MOST_HOURLY, MOST_DAILY, MOST_WEEKLY = 3, 100, 550


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to but not with `end`; `name` is a key of WORDS, or empty for chosen dates."""

    start: datetime
    end: datetime
    bucket: Bucket
    timezone: str
    name: str = ""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def buckets(self) -> list[datetime]:
        """The start of every bar, the first of which may have begun before the period."""
        found = [floor(self.start, self.bucket, self.zone)]
        while (after := next_start(found[-1], self.bucket, self.zone)) < self.end:
            found.append(after)
        return found

    def bounds(self, start: datetime) -> tuple[datetime, datetime]:
        """Of the bar that begins at `start`, as far as it is in the period."""
        after = next_start(start, self.bucket, self.zone)
        return max(start, self.start), min(after, self.end)

    def previous(self) -> Period:
        """As long, right before; of whole days where this one is."""
        ends = self.start, self.end
        if any(floor(moment, "day", self.zone) != moment for moment in ends):
            start = self.start - (self.end - self.start)
        else:
            first, after = (moment.astimezone(self.zone).date() for moment in ends)
            start = _midnight(first - (after - first), self.zone)
        return Period(start, self.start, self.bucket, self.timezone)


def named(name: str, *, now: datetime, timezone: str) -> Period:
    """Whole hours or days, of which the last is the present one. Raises InvalidRequest."""
    zone = ZoneInfo(timezone)
    if name in HOURS:
        end = next_start(floor(now, "hour", zone), "hour", zone)
        return Period(end - timedelta(hours=HOURS[name]), end, "hour", timezone, name)
    if name not in DAYS:
        raise InvalidRequest(
            f"There is no range {name[:40]!r}: choose {', '.join(WORDS)}, or send from and to.",
            extra={"field": "range"},
        )
    today = now.astimezone(zone).date()
    start = _midnight(today - timedelta(days=DAYS[name] - 1), zone)
    end = _midnight(today + timedelta(days=1), zone)
    return Period(start, end, bucket_for(DAYS[name]), timezone, name)


def between(first: date, last: date, *, timezone: str, bucket: Bucket | None = None) -> Period:
    """Whole days of the zone, `last` among them. Raises InvalidRequest."""
    for field, day in (("from", first), ("to", last)):
        if not EARLIEST <= day.year <= LATEST:
            raise InvalidRequest(
                f"{field} is in a year from {EARLIEST} to {LATEST}.", extra={"field": field}
            )
    if last < first:
        raise InvalidRequest("The range ends before it begins.", extra={"field": "to"})
    days = (last - first).days + 1
    if days > LONGEST_DAYS:
        raise InvalidRequest(
            f"The range is longer than {LONGEST_DAYS} days: choose a shorter one.",
            extra={"field": "from"},
        )
    zone = ZoneInfo(timezone)
    start, end = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    return Period(start, end, bucket or bucket_for(days), timezone)


def read_period(
    values: Mapping[str, str], *, now: datetime, timezone: str, default: str = DEFAULT
) -> Period:
    """Of a URL: `range`, or `from` and `to` as dates. Raises InvalidRequest."""
    first, last = values.get("from", "").strip(), values.get("to", "").strip()
    if not first and not last:
        return named(values.get("range") or default, now=now, timezone=timezone)
    today = now.astimezone(ZoneInfo(timezone)).date()
    return between(
        _date("from", first or last), _date("to", last) if last else today, timezone=timezone
    )


def bucket_for(days: int) -> Bucket:
    """Days of the calendar, so that those when clocks are set are like any other."""
    if days <= MOST_HOURLY:
        return "hour"
    if days <= MOST_DAILY:
        return "day"
    return "week" if days <= MOST_WEEKLY else "month"


def floor(moment: datetime, bucket: Bucket, zone: ZoneInfo) -> datetime:
    """When the bar that `moment` is in began. Hours are of the zone's clock, also where it is set."""
    local = moment.astimezone(zone)
    if bucket in ("5min", "hour"):
        minutes = local.minute % 5 if bucket == "5min" else local.minute
        since = timedelta(minutes=minutes, seconds=local.second, microseconds=local.microsecond)
        return _utc(local) - since
    day = local.date()
    if bucket == "week":
        day -= timedelta(days=day.weekday())
    elif bucket == "month":
        day = day.replace(day=1)
    return _midnight(day, zone)


def next_start(start: datetime, bucket: Bucket, zone: ZoneInfo) -> datetime:
    """A day of the zone may have 23 or 25 hours."""
    if bucket == "5min":
        return _utc(start) + timedelta(minutes=5)
    if bucket == "hour":
        # Not an hour later where clocks are set by half of one.
        return floor(start + timedelta(hours=1), bucket, zone)
    day = start.astimezone(zone).date()
    if bucket == "day":
        return _midnight(day + timedelta(days=1), zone)
    if bucket == "week":
        return _midnight(day + timedelta(days=7), zone)
    return _midnight((day.replace(day=1) + timedelta(days=32)).replace(day=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The day's first moment: where clocks skip midnight, it begins later."""
    return _utc(datetime.combine(day, time(), tzinfo=zone))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _date(field: str, raw: str) -> date:
    try:
        return date.fromisoformat(raw)
    except ValueError:
        raise InvalidRequest(
            f"{field} is a date such as 2026-03-01, not {raw[:40]!r}.", extra={"field": field}
        ) from None
