"""What people enter about any source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from ragadmin.forms import add_error
from retrieval.connectors.registry import connector_class
from retrieval.forms import choices
from retrieval.schedule_form import ScheduleForm
from retrieval.services.sources import MOST_KEEP_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragadmin.errors import RagadminError

CREDENTIAL, OPTION = "credential_", "option_"
# Of several lines, which an input for passwords would run together.
LONG_SECRETS = ("key_json", "private_key")
# What a refusal's field is called here; the rest have the same name in the configuration.
FIELDS = {
    "max_deleted_share": "max_deleted_percent",
    "every_minutes": "every_minutes",
    "schedule": "crontab",
}


class SourceForm(forms.Form):
    """Of every kind of source. `config_fields` are what the connector reads."""

    kind: ClassVar[str]
    config_fields: ClassVar[tuple[str, ...]] = ()
    line_fields: ClassVar[tuple[str, ...]] = ()

    name = forms.CharField(max_length=200, widget=forms.TextInput({"autocomplete": "off"}))
    access_level = forms.ChoiceField(
        help_text="Only people and keys with this level find what the source brings."
    )

    field_order: ClassVar[list[str]] = ["name"]

    def __init__(
        self,
        *args: Any,
        access_levels: Sequence[str],
        stored: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """`stored` are the credentials in force: their names are told, never their values."""
        super().__init__(*args, **kwargs)
        self.fields["access_level"].choices = choices("", access_levels)[1:]
        self.stored = dict(stored or {})
        for name, label in connector_class(self.kind).credential_fields.items():
            self.fields[CREDENTIAL + name] = _secret(name, label, is_stored=name in self.stored)
        if self.stored:
            self.fields["forget_credentials"] = forms.BooleanField(
                required=False, label="Forget what is stored"
            )

    def config(self) -> dict[str, Any]:
        """As the connector takes it: what was left empty is left out."""
        values = {name: self.cleaned_data.get(name) for name in self.config_fields}
        lines = {name: _split(self.cleaned_data.get(name, "")) for name in self.line_fields}
        return {name: value for name, value in (values | lines).items() if value not in (None, "")}

    def credentials(self) -> dict[str, str] | None:
        """None: as they are."""
        if self.cleaned_data.get("forget_credentials"):
            return {}
        entered = {
            name.removeprefix(CREDENTIAL): value
            for name, value in self.cleaned_data.items()
            if name.startswith(CREDENTIAL) and value
        }
        return self.stored | entered if entered else None

    def values(self) -> dict[str, Any]:
        """What create_source and update_source take."""
        return {
            "name": self.cleaned_data["name"],
            "access_level": self.cleaned_data["access_level"],
            "config": self.config(),
            "credentials": self.credentials(),
        }

    def refuse(self, error: RagadminError) -> None:
        """Shows a service's refusal at the field it is about."""
        field = str(error.extra.get("field", "")).removeprefix("config.")
        field = field.replace("options.", OPTION).replace("credentials.", CREDENTIAL)
        add_error(self, type(error)(error.message, extra={"field": FIELDS.get(field, field)}))

    @property
    def credential_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(CREDENTIAL)]


class SyncedSourceForm(ScheduleForm, SourceForm):
    """Of a source that is synced on a schedule."""

    max_deleted_percent = forms.IntegerField(
        label="Ask before a sync deletes more than this share of the documents, in percent",
        min_value=0,
        max_value=100,
        initial=30,
        help_text="A run that would is held until somebody confirms it. "
        "So is every run that finds the source empty.",
    )
    keep_days = forms.IntegerField(
        label="Keep what a sync deletes or replaces, in days",
        min_value=0,
        max_value=MOST_KEEP_DAYS,
        initial=7,
        help_text="For as long the run can be undone. Nothing that is kept is found by a search.",
    )

    def values(self) -> dict[str, Any]:
        return super().values() | {
            "schedule": self.schedule(),
            "max_deleted_share": self.cleaned_data["max_deleted_percent"] / 100,
            "keep_days": self.cleaned_data["keep_days"],
        }


class LongSecret(forms.Textarea):
    """Never filled in by the server, as a PasswordInput."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


def _secret(name: str, label: str, *, is_stored: bool) -> forms.CharField:
    attributes = {"autocomplete": "new-password", "spellcheck": "false"}
    return forms.CharField(
        label=label.partition(" (")[0],
        required=False,
        max_length=10_000,
        help_text="Stored; leave empty to keep it." if is_stored else "",
        widget=LongSecret(attributes | {"rows": 3})
        if name in LONG_SECRETS
        else forms.PasswordInput(attributes, render_value=False),
    )


def _split(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
