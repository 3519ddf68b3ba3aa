"""Points in time as people and links write them, in a tenant's time zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

EARLIEST, LATEST = 1990, 2200


def read_moment(text: str, zone: ZoneInfo, *, is_end: bool = False) -> datetime:
    """ISO 8601; without an offset it is of `zone`. An end that is a date alone takes in that day.

    Raises ValueError.
    """
    # A "+" that a link forgot to encode arrives as a blank.
    found = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    if not EARLIEST <= found.year <= LATEST:
        raise ValueError(f"The year is from {EARLIEST} to {LATEST}.")
    if is_end and len(text.strip()) <= len("2026-01-31"):
        found += timedelta(days=1)
    return found.astimezone(zone) if found.tzinfo else found.replace(tzinfo=zone)


class MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self, zone: ZoneInfo, *, is_end: bool) -> None:
        super().__init__({"step": "1"})
        self.zone, self.is_end = zone, is_end

    def format_value(self, value: Any) -> str:
        """As the browser's field takes it: local, without an offset."""
        try:
            moment = read_moment(str(value or ""), self.zone, is_end=self.is_end)
        except ValueError:
            return ""
        return moment.replace(tzinfo=None, microsecond=0).isoformat()


class MomentField(forms.Field):
    def __init__(self, timezone: str, *, label: str, is_end: bool = False) -> None:
        self.zone, self.is_end = ZoneInfo(timezone), is_end
        super().__init__(required=False, label=label, widget=MomentInput(self.zone, is_end=is_end))

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            return read_moment(str(value), self.zone, is_end=self.is_end)
        except ValueError:
            raise forms.ValidationError(
                "This is no time: write it like 2026-01-31 or 2026-01-31T14:00."
            ) from None
