"""The forms of a tenant's own pages: keys, members, settings."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms

from tenants.models import Membership, Provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.models import Tenant

SCOPE_LABELS = (
    ("query", "Ask and search"),
    ("ingest", "Upload and delete documents"),
    ("admin", "Manage members"),
)
ROLE_LABELS = (
    (Membership.Role.MEMBER, "Member: asks and rates"),
    (Membership.Role.ADMIN, "Admin: also documents, keys, members and settings"),
    (Membership.Role.OWNER, "Owner: everything, and makes other owners"),
)

MOST_QUESTIONS = 1_000_000
MOST_USD = 10_000_000
CONTINENTS = frozenset(
    {
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe",
        "Indian", "Pacific",
    }
)  # fmt: skip


class LevelsField(forms.MultipleChoiceField):
    widget = forms.CheckboxSelectMultiple

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__(
            choices=[(level, level) for level in levels],
            label="Access levels",
            help_text="Documents of other levels are neither found nor cited.",
            error_messages={"required": "Choose at least one access level."},
        )


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=100, help_text="What will use the key, so that you know it again later."
    )
    scopes = forms.MultipleChoiceField(
        choices=SCOPE_LABELS,
        initial=["query"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one scope."},
    )

    def __init__(self, *args: Any, levels: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["access_levels"] = LevelsField(levels)
        self.fields["access_levels"].initial = list(levels)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLE_LABELS, initial=Membership.Role.MEMBER)

    def __init__(self, *args: Any, levels: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["access_levels"] = LevelsField(levels)
        self.fields["access_levels"].initial = list(levels)


class InviteForm(RoleForm):
    email = forms.EmailField(
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="Somebody who has no account yet gets an initial password, shown once.",
    )
    field_order = ["email", "role", "access_levels"]


class AmountField(forms.DecimalField):
    """US dollars that may be spent. Empty: as many as somebody likes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            required=False, max_digits=14, decimal_places=6, max_value=MOST_USD, **options
        )
        self.widget.attrs |= {"step": "any", "min": 0, "placeholder": "no budget"}

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value is not None and value <= 0:
            raise forms.ValidationError("Enter more than 0, or nothing for no budget.")


class LimitsForm(forms.Form):
    day = AmountField(label="Budget a day, US dollars")
    month = AmountField(label="Budget a month, US dollars")


class KeyLimitsForm(LimitsForm):
    questions_per_minute = forms.IntegerField(
        min_value=1,
        max_value=MOST_QUESTIONS,
        required=False,
        label="Questions a minute",
        widget=forms.NumberInput(attrs={"placeholder": "no limit"}),
    )


class EndpointForm(forms.Form):
    provider = forms.ModelChoiceField(
        queryset=Provider.objects.order_by("name"),
        required=False,
        empty_label="The installation's default",
        label="Endpoint",
        help_text="Answers wherever a route names no endpoint of its own.",
    )

    @classmethod
    def of(cls, tenant: Tenant) -> EndpointForm:
        return cls(initial={"provider": tenant.provider})


class SettingsForm(forms.Form):
    name = forms.CharField(max_length=200)
    access_levels = forms.CharField(
        max_length=1000,
        help_text="Separated by commas. A level that documents have cannot be removed.",
    )
    timezone = forms.CharField(
        max_length=60,
        label="Time zone",
        help_text="Type a city to find its zone. Days and months of budgets and reports begin at "
        "midnight there.",
        widget=forms.TextInput(
            attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    questions_per_minute = forms.IntegerField(
        min_value=1,
        max_value=MOST_QUESTIONS,
        required=False,
        label="Questions per minute",
        help_text="Of everybody together. Whoever asks more is told how long to wait. "
        "Empty: no limit.",
    )

    @staticmethod
    def values_of(tenant: Tenant) -> dict[str, Any]:
        return {
            "name": tenant.name,
            "access_levels": ", ".join(tenant.access_levels),
            "timezone": tenant.timezone,
            "questions_per_minute": tenant.questions_per_minute,
        }

    @classmethod
    def of(cls, tenant: Tenant) -> SettingsForm:
        return cls(initial=cls.values_of(tenant))

    def clean_access_levels(self) -> list[str]:
        return self.cleaned_data["access_levels"].split(",")

    def clean_timezone(self) -> str:
        if self.cleaned_data["timezone"] not in _all_zones():
            raise forms.ValidationError(
                "There is no such time zone: choose one of the list, such as Europe/Berlin."
            )
        return self.cleaned_data["timezone"]

    def say_changes(self, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
        """Label, old and new value of each field that differs."""
        return [
            f"{self[name].label}: {old or 'none'} → {after[name] or 'none'}"
            for name, old in before.items()
            if old != after[name]
        ]


@lru_cache(maxsize=1)
def _all_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def time_zones() -> tuple[str, ...]:
    """Those to choose from: UTC, then Continent/City in order."""
    cities = (name for name in _all_zones() if name.split("/")[0] in CONTINENTS)
    return ("UTC", *sorted(cities))
