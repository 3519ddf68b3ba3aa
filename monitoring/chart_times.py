"""The times below a chart: a label for each bucket in the reader's time zone, and which to show."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

Bucket = Literal["5min", "hour", "day", "week", "month"]
# More labels than this never fit side by side.
MOST_LABELS = 60
BUCKET_WORDS: dict[Bucket, str] = {
    "5min": "5 minutes",
    "hour": "hour",
    "day": "day",
    "week": "week",
    "month": "month",
}


def local_times(starts: Sequence[datetime], timezone: str) -> list[datetime]:
    zone = ZoneInfo(timezone)
    return [start.astimezone(zone) for start in starts]


def full_label(local: datetime, bucket: Bucket) -> str:
    """Unambiguous: an hour that comes twice, when clocks go back, says which of the two it is."""
    day = f"{local.day} {local:%b %Y}"
    match bucket:
        case "month":
            return f"{local:%B %Y}"
        case "week":
            return f"Week of {day}"
        case "day":
            return f"{local:%a} {day}"
        case _:
            return f"{local:%a} {day}, {_clock(local)}"


def short_labels(locals_: Sequence[datetime], bucket: Bucket) -> tuple[str, ...]:
    """For the axis: the clock, and the date where a day begins."""
    begins = _begins_day(locals_)
    return tuple(
        _short(local, bucket, begins_day=begin)
        for local, begin in zip(locals_, begins, strict=True)
    )


def tick_levels(locals_: Sequence[datetime], bucket: Bucket) -> tuple[tuple[int, ...], ...]:
    """Places of the labels to show, from the densest choice to the sparsest.

    Who draws takes the first that fits. Each falls on what people count in: hours that divide a
    day, Mondays, the first of a month.
    """
    begins = _begins_day(locals_)
    levels = {
        tuple(
            place
            for place, local in enumerate(locals_)
            if is_shown(local, bucket not in ("5min", "hour") or begins[place])
        ): None
        for is_shown in LEVELS[bucket]
    }
    found = tuple(level for level in levels if 2 <= len(level) <= MOST_LABELS)
    return found or (_every_nth(len(locals_)),)


def _every_nth(count: int) -> tuple[int, ...]:
    return tuple(range(0, count, -(-count // MOST_LABELS) or 1))


def _begins_day(locals_: Sequence[datetime]) -> list[bool]:
    """By the date and not by the clock, since in some zones a day of the year begins at one."""
    first = [(local.hour, local.minute) == (0, 0) for local in locals_[:1]]
    return first + [before.date() != local.date() for before, local in pairwise(locals_)]


def _clock(local: datetime) -> str:
    comes_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{local:%H:%M}" + (f" {local.tzname()}" if comes_twice else "")


def _short(local: datetime, bucket: Bucket, *, begins_day: bool) -> str:
    if bucket == "month":
        return f"{local:%b %Y}" if local.month == 1 else f"{local:%b}"
    if bucket in ("5min", "hour") and not begins_day:
        return _clock(local)
    in_new_year = local.month == 1 and local.day <= (7 if bucket == "week" else 1)
    return f"{local.day} {local:%b %Y}" if in_new_year else f"{local.day} {local:%b}"


def _hours(step: int) -> Callable[[datetime, bool], bool]:
    return lambda local, begins: begins or (local.minute == 0 and local.hour % step == 0)


def _minutes(step: int) -> Callable[[datetime, bool], bool]:
    return lambda local, begins: begins or local.minute % step == 0


LEVELS: dict[Bucket, tuple[Callable[[datetime, bool], bool], ...]] = {
    "5min": (_minutes(5), _minutes(15), _minutes(30), *map(_hours, (1, 3, 6, 12, 24))),
    "hour": (
        *map(_hours, (1, 3, 6, 12, 24)),
        lambda local, begins: begins and local.weekday() == 0,
        lambda local, begins: begins and local.day == 1,
    ),
    "day": (
        lambda _local, _begins: True,
        lambda local, _begins: local.weekday() == 0,
        lambda local, _begins: local.day == 1,
        lambda local, _begins: local.day == 1 and local.month % 3 == 1,
    ),
    "week": (
        lambda _local, _begins: True,
        lambda local, _begins: local.day <= 7,
        lambda local, _begins: local.day <= 7 and local.month % 3 == 1,
    ),
    "month": (
        lambda _local, _begins: True,
        lambda local, _begins: local.month % 3 == 1,
        lambda local, _begins: local.month == 1,
    ),
}
