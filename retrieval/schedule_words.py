"""Schedules of syncs as people say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.services.schedules import read_crontab, rhythm

if TYPE_CHECKING:
    from django_celery_beat.models import CrontabSchedule

    from tenants.models import SyncSchedule

# The longest first: what divides without a rest is said in the largest unit.
UNITS = ((60 * 24, "day"), (60, "hour"), (1, "minute"))


def schedule_words(schedule: SyncSchedule) -> str:
    if schedule.crontab is not None:
        return _sentence(schedule.crontab)
    return interval_words(rhythm(schedule)["every_minutes"])


def interval_words(minutes: int) -> str:
    for size, unit in UNITS:
        if minutes and minutes % size == 0:
            count = minutes // size
            return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"
    return "More than once a minute"


def crontab_words(text: str, zone: str) -> str:
    """Raises InvalidRequest that says what is wrong with it."""
    return _sentence(read_crontab(text, zone))


def _sentence(crontab: CrontabSchedule) -> str:
    zone = str(crontab.timezone)
    return f"{str(crontab.human_readable).removesuffix(zone).rstrip()} ({zone})"
