"""What people enter about a source of each kind."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from ragadmin.errors import InvalidRequest
from ragadmin.forms import add_error
from retrieval.connectors.locations import LOCAL, MAX_URL_LENGTH, STORES, split_url
from retrieval.connectors.registry import connector_class
from retrieval.connectors.web_config import DEFAULT_GAP, DEFAULT_PAGES, MAX_GAP, MAX_PAGES
from retrieval.forms import choices
from retrieval.schedule_form import ScheduleForm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragadmin.errors import RagadminError

LONGEST_KEPT_DAYS = 365
CREDENTIAL, OPTION = "credential_", "option_"
OPTION_LABELS = {
    "endpoint_url": "Endpoint",
    "region": "Region",
    "project": "Project",
    "account_name": "Account",
    "username": "User name",
    "host_key": "Host key",
}
OPTION_HINTS = {
    "endpoint_url": "Of a store that is compatible with S3. Empty: Amazon's own.",
    "host_key": "As it stands in known_hosts: the connection is refused if it is another.",
}
# What a refusal's field is called here; the rest have the same name in the configuration.
FIELDS = {
    "max_deleted_share": "max_deleted_percent",
    "every_minutes": "every_minutes",
    "schedule": "crontab",
}

Lines = partial(forms.CharField, required=False, strip=True)


def _lines(placeholder: str) -> forms.Textarea:
    return forms.Textarea({"rows": 3, "placeholder": placeholder, "spellcheck": "false"})


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
            self.fields[CREDENTIAL + name] = _secret(label, is_stored=name in self.stored)
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
        max_value=LONGEST_KEPT_DAYS,
        initial=7,
        help_text="For as long the run can be undone. Nothing that is kept is found by a search.",
    )

    def values(self) -> dict[str, Any]:
        return super().values() | {
            "schedule": self.schedule(),
            "max_deleted_share": self.cleaned_data["max_deleted_percent"] / 100,
            "keep_days": self.cleaned_data["keep_days"],
        }


class UploadForm(SourceForm):
    kind = "upload"


class FolderForm(SyncedSourceForm):
    """`place` says which of the other fields fit; the page hides the rest by it."""

    kind = "folder"
    config_fields = ("url",)
    line_fields = ("include", "exclude")

    place = forms.ChoiceField(
        label="Where it is",
        choices=[(LOCAL, "this server"), *((kind, store.label) for kind, store in STORES.items())],
        initial=LOCAL,
        widget=forms.RadioSelect,
    )
    url = forms.CharField(
        label="Folder",
        max_length=MAX_URL_LENGTH,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )
    include = Lines(
        label="Only files that match",
        help_text="One pattern a line, as in a .gitignore. Empty: every file that can be read.",
        widget=_lines("*.md"),
    )
    exclude = Lines(
        label="Without files that match",
        help_text="One pattern a line.",
        widget=_lines("drafts/"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        saved = self.initial.get("options", {})
        for name in {option for store in STORES.values() for option in store.options}:
            self.fields[OPTION + name] = forms.CharField(
                label=OPTION_LABELS[name],
                required=False,
                max_length=MAX_URL_LENGTH,
                initial=saved.get(name, ""),
                help_text=OPTION_HINTS.get(name, ""),
                widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
            )

    def clean(self) -> dict[str, Any]:
        """What the URL says counts, whatever was chosen."""
        values = super().clean()
        try:
            values["place"], _ = split_url(values.get("url"))
        except InvalidRequest as error:
            if "url" not in self.errors:
                self.add_error("url", error.message)
        return values

    def config(self) -> dict[str, Any]:
        store = STORES.get(self.cleaned_data["place"])
        names = store.options if store else ()
        options = {name: self.cleaned_data[OPTION + name] for name in names}
        return super().config() | {"options": options}

    def credentials(self) -> dict[str, str] | None:
        """Those of another kind of store go with it."""
        found, store = super().credentials(), STORES.get(self.cleaned_data["place"])
        fitting = store.credentials if store else frozenset()
        kept = {name: value for name, value in (found or self.stored).items() if name in fitting}
        return kept if found is not None or kept != self.stored else None

    @property
    def stores(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields of each kind of store, those that several share in the first of them."""
        return [
            (
                kind,
                [
                    *(self[OPTION + name] for name in store.options),
                    *(self[CREDENTIAL + n] for n in self._secrets() if n in store.credentials),
                ],
            )
            for kind, store in STORES.items()
        ]

    def _secrets(self) -> list[str]:
        return list(connector_class(self.kind).credential_fields)


class WebForm(SyncedSourceForm):
    kind = "web"
    config_fields = ("url", "sitemap", "max_pages", "seconds_between_requests")
    line_fields = ("include", "exclude")

    url = forms.URLField(
        label="Start at",
        max_length=2000,
        assume_scheme="https",
        help_text="Pages below this address are read, and no others.",
        widget=forms.URLInput({"placeholder": "https://", "autocomplete": "off"}),
    )
    sitemap = forms.URLField(
        label="Sitemap",
        required=False,
        max_length=2000,
        assume_scheme="https",
        help_text="Empty: it is looked for at the usual places; without one, links are followed.",
        widget=forms.URLInput({"autocomplete": "off"}),
    )
    max_pages = forms.IntegerField(
        label="Pages at most",
        min_value=1,
        max_value=MAX_PAGES,
        initial=DEFAULT_PAGES,
        required=False,
    )
    seconds_between_requests = forms.FloatField(
        label="Seconds between two requests",
        min_value=0,
        max_value=MAX_GAP,
        initial=DEFAULT_GAP,
        required=False,
        help_text="A longer time that the site's robots.txt asks for is kept too.",
    )
    include = Lines(
        label="Only addresses that match",
        help_text="One pattern a line, for the part after the start. Empty: every page.",
        widget=_lines("guide/"),
    )
    exclude = Lines(
        label="Without addresses that match",
        help_text="One pattern a line.",
        widget=_lines("blog/"),
    )


FORMS: dict[str, type[SourceForm]] = {form.kind: form for form in (FolderForm, WebForm, UploadForm)}


def _secret(label: str, *, is_stored: bool) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=10_000,
        help_text="Stored; leave empty to keep it." if is_stored else "",
        widget=forms.PasswordInput({"autocomplete": "new-password"}, render_value=False),
    )


def _split(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
