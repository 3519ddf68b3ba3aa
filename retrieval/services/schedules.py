"""When a source is synced, in django-celery-beat's terms: its interval or crontab rows, shared.

Beat itself has one entry for all sources (retrieval.tasks.dispatch_syncs); each source's next time
stands in SyncSchedule.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from celery.schedules import ParseException
from django.core.exceptions import ValidationError
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule

from ragadmin.errors import InvalidRequest
from retrieval.indexing.due import next_match, next_run_at
from tenants.context import current_tenant
from tenants.models import SyncSchedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from tenants.context import TenantLike

DEFAULT = {"every_minutes": 15}
MOST_MINUTES = 31 * 24 * 60
CRONTAB_PARTS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def find_beat_schedule(
    wanted: Mapping[str, Any] | None,
) -> tuple[IntervalSchedule | None, CrontabSchedule | None]:
    """The row of beat's that says so; made if nobody has used it yet. Raises InvalidRequest."""
    wanted = DEFAULT if wanted is None else wanted
    unknown = set(wanted) - {"every_minutes", "crontab", "timezone"}
    if unknown or ("every_minutes" in wanted) == ("crontab" in wanted):
        raise _refusal(
            'A schedule is {"every_minutes": 15} or {"crontab": "0 3 * * *", "timezone": "UTC"}.'
        )
    if "every_minutes" in wanted:
        return _interval(wanted["every_minutes"]), None
    return None, _crontab(wanted["crontab"], wanted.get("timezone") or "UTC")


def set_schedule(
    tenant: TenantLike, source_id: UUID, wanted: Mapping[str, Any] | None, *, is_paused: bool
) -> SyncSchedule:
    interval, crontab = find_beat_schedule(wanted)
    values = {"interval": interval, "crontab": crontab, "is_paused": is_paused}
    schedule = SyncSchedule(tenant_id=tenant.id, source_id=source_id, **values)
    values["next_run_at"] = next_run_at(schedule, timezone.now())
    schedule, _ = SyncSchedule.objects.update_or_create(
        source_id=source_id, tenant_id=tenant.id, defaults=values
    )
    return schedule


def schedules_of(source_ids: Iterable[UUID]) -> dict[UUID, SyncSchedule]:
    """With the tenant in force."""
    found = SyncSchedule.objects.filter(
        tenant_id=current_tenant().id, source_id__in=list(source_ids)
    )
    return {each.source_id: each for each in found.select_related("interval", "crontab")}


def schedule_json(schedule: SyncSchedule | None) -> dict[str, Any] | None:
    if schedule is None:
        return None
    return {
        **rhythm(schedule),
        "paused": schedule.is_paused,
        "next_run_at": None
        if schedule.is_paused
        else schedule.next_run_at.astimezone(UTC).isoformat(),
    }


def rhythm(schedule: SyncSchedule) -> dict[str, Any]:
    """As it is asked for."""
    if schedule.interval:
        return {"every_minutes": int(schedule.interval.schedule.run_every.total_seconds() // 60)}
    crontab = schedule.crontab
    assert crontab is not None
    text = " ".join(getattr(crontab, part) for part in CRONTAB_PARTS)
    return {"crontab": text, "timezone": str(crontab.timezone)}


def _interval(minutes: Any) -> IntervalSchedule:
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 0 < minutes <= MOST_MINUTES:
        raise _refusal(f"every_minutes is a whole number from 1 to {MOST_MINUTES}.")
    found, _ = IntervalSchedule.objects.get_or_create(
        every=minutes, period=IntervalSchedule.MINUTES
    )
    return found


def read_crontab(text: Any, zone: Any) -> CrontabSchedule:
    """Not saved. Raises InvalidRequest."""
    parts = text.split() if isinstance(text, str) else []
    if len(parts) != len(CRONTAB_PARTS):
        raise _refusal(
            "A crontab has five parts: minute, hour, day of month, month, day of week; "
            "0 3 * * * is every day at three."
        )
    if zone not in available_timezones():
        raise _refusal(f"There is no time zone {zone!r}: name one such as Europe/Vienna or UTC.")
    crontab = CrontabSchedule(**dict(zip(CRONTAB_PARTS, parts, strict=True)), timezone=zone)
    try:
        crontab.clean_fields()
        crontab.timezone = ZoneInfo(zone)
        next_match(crontab, timezone.now())
    except (ValidationError, ParseException, ValueError, KeyError) as error:
        raise _refusal(f"The crontab {text!r} cannot be read: {_first_line(error)}") from None
    return crontab


def _crontab(text: Any, zone: Any) -> CrontabSchedule:
    crontab = read_crontab(text, zone)
    values = {part: getattr(crontab, part) for part in CRONTAB_PARTS} | {"timezone": zone}
    found = CrontabSchedule.objects.filter(**values).first()
    return found or CrontabSchedule.objects.create(**values)


def _first_line(error: Exception) -> str:
    messages = getattr(error, "messages", None) or [str(error)]
    return str(messages[0]).splitlines()[0]


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="bad_schedule", extra={"field": "schedule"})
