"""When a source is synced, as people enter it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms

from ragadmin.errors import InvalidRequest
from retrieval.schedule_words import crontab_words, interval_words
from retrieval.services.schedules import MOST_MINUTES, rhythm

if TYPE_CHECKING:
    from tenants.models import SyncSchedule

INTERVAL, CRONTAB = "interval", "crontab"
TIMEZONES = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")


class ScheduleForm(forms.Form):
    """When a source is synced."""

    when = forms.ChoiceField(
        label="Sync",
        choices=[(INTERVAL, "Every so many minutes"), (CRONTAB, "At set times (crontab)")],
        initial=INTERVAL,
        required=False,
        widget=forms.RadioSelect,
    )
    every_minutes = forms.IntegerField(
        label="Minutes between syncs",
        min_value=1,
        max_value=MOST_MINUTES,
        initial=15,
        required=False,
    )
    crontab = forms.CharField(
        max_length=200,
        required=False,
        help_text="Minute, hour, day of the month, month, day of the week: "
        "<code>0 3 * * 1-5</code> is 03:00 from Monday to Friday.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )
    timezone = forms.CharField(
        label="Time zone",
        max_length=60,
        initial="UTC",
        required=False,
        widget=forms.TextInput({"list": "timezones", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        values = self.cleaned_data
        if values.get("when") == CRONTAB:
            try:
                crontab_words(values.get("crontab", ""), values.get("timezone") or "UTC")
            except InvalidRequest as error:
                self.add_error("crontab", error.message)
        elif not values.get("every_minutes") and "every_minutes" not in self.errors:
            self.add_error("every_minutes", "Say after how many minutes it is synced again.")
        return values

    def words(self) -> str:
        """Of a valid form."""
        values = self.cleaned_data
        if values["when"] == CRONTAB:
            return crontab_words(values["crontab"], values["timezone"] or "UTC")
        return interval_words(values["every_minutes"])

    def schedule(self) -> dict[str, Any]:
        """As the services take it."""
        values = self.cleaned_data
        if values["when"] == CRONTAB:
            return {"crontab": values["crontab"], "timezone": values["timezone"] or "UTC"}
        return {"every_minutes": values["every_minutes"]}


def initial_schedule(schedule: SyncSchedule) -> dict[str, Any]:
    values = rhythm(schedule)
    return {"when": CRONTAB if "crontab" in values else INTERVAL, **values}


def entered_schedule(form: ScheduleForm) -> ScheduleForm:
    """The schedule alone, so that it can be said in words though another field is wrong."""
    return ScheduleForm({name: form[name].value() for name in ScheduleForm.base_fields})
