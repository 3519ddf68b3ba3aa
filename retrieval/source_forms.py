"""What people enter about a source of each kind."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms

from ragadmin.errors import InvalidRequest
from retrieval.connectors.locations import LOCAL, MAX_URL_LENGTH, STORES, split_url
from retrieval.connectors.web_config import DEFAULT_GAP, DEFAULT_PAGES, MAX_GAP, MAX_PAGES
from retrieval.source_form import CREDENTIAL, OPTION, SourceForm, SyncedSourceForm

# Which secrets fit which kind of store.
SECRETS = {
    "s3": ("key", "secret", "token"),
    "gs": ("key_json",),
    "az": ("account_key", "sas_token"),
    "sftp": ("password", "private_key"),
}
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
Lines = partial(forms.CharField, required=False, strip=True)


def _lines(placeholder: str) -> forms.Textarea:
    return forms.Textarea({"rows": 3, "placeholder": placeholder, "spellcheck": "false"})


class UploadForm(SourceForm):
    kind = "upload"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "access_level"
        ].help_text = "Who sees this source here. Each file has the level that it is sent with."


class FolderForm(SyncedSourceForm):
    """`place` says which of the other fields fit; the page hides the rest by it."""

    kind = "folder"
    config_fields = ("url",)
    line_fields = ("include", "exclude")

    place = forms.ChoiceField(
        label="Where it is",
        choices=[(LOCAL, "This server"), *((kind, store.label) for kind, store in STORES.items())],
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
        found, fitting = super().credentials(), SECRETS.get(self.cleaned_data["place"], ())
        known = self.stored if found is None else found
        kept = {name: value for name, value in known.items() if name in fitting}
        return kept if found is not None or kept != self.stored else None

    @property
    def stores(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields of each kind of store."""
        return [
            (
                kind,
                [
                    *(self[OPTION + name] for name in store.options),
                    *(self[CREDENTIAL + name] for name in SECRETS[kind]),
                ],
            )
            for kind, store in STORES.items()
        ]


class WebForm(SyncedSourceForm):
    kind = "web"
    config_fields = ("url", "sitemap", "max_pages", "seconds_between_requests")
    line_fields = ("include", "exclude")

    url = forms.URLField(
        label="Start at",
        max_length=2000,
        assume_scheme="https",  # pyright: ignore[reportCallIssue]
        help_text="Pages below this address are read, and no others.",
        widget=forms.URLInput({"placeholder": "https://", "autocomplete": "off"}),
    )
    sitemap = forms.URLField(
        label="Sitemap",
        required=False,
        max_length=2000,
        assume_scheme="https",  # pyright: ignore[reportCallIssue]
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
        help_text="One pattern a line, for the path of the address: /guide/ or *.pdf. Empty: every page.",
        widget=_lines("guide/"),
    )
    exclude = Lines(
        label="Without addresses that match",
        help_text="One pattern a line.",
        widget=_lines("blog/"),
    )


FORMS: dict[str, type[SourceForm]] = {form.kind: form for form in (FolderForm, WebForm, UploadForm)}
