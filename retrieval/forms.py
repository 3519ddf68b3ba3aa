"""What the pages take from the URL and from people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from retrieval.document_list import NEWEST_FIRST, SORTS
from retrieval.models import Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.forms import BoundField

PAGE_SIZES = (25, 50, 100, 200)


class FilterForm(forms.Form):
    """Read from the URL: a value that means nothing is left out, never an error page."""

    def value(self, name: str) -> Any:
        self.is_valid()
        return self.cleaned_data.get(name) or ""

    @property
    def is_used(self) -> bool:
        return any(self.value(name) for name in self.fields)


def choices(any_label: str, values: Sequence[str]) -> list[tuple[str, str]]:
    return [("", any_label), *((value, value.replace("_", " ").capitalize()) for value in values)]


def search_box(placeholder: str) -> forms.CharField:
    attributes = {"type": "search", "placeholder": placeholder, "autocomplete": "off"}
    return forms.CharField(
        required=False, max_length=200, label="Search", widget=forms.TextInput(attributes)
    )


class DocumentFilter(FilterForm):
    """`sources` are names by id; both they and `reasons` are what the caller's documents have."""

    q = search_box("Path or title")
    status = forms.ChoiceField(
        required=False, choices=choices("Any status", Document.Status.values)
    )
    source = forms.ChoiceField(required=False)
    access_level = forms.ChoiceField(required=False, label="Access level")
    error_code = forms.ChoiceField(required=False, label="Reason")

    def __init__(
        self,
        data: Any,
        *,
        access_levels: Sequence[str],
        sources: Mapping[str, str],
        reasons: Mapping[str, str],
    ) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.fields["source"].choices = [("", "Any source"), *sources.items()]
        self.fields["access_level"].choices = choices("Any level", access_levels)
        self.fields["error_code"].choices = [("", "Any reason"), *reasons.items()]

    @property
    def offered(self) -> list[BoundField]:
        """Choices between one thing and nothing are not offered."""
        fields = [self["source"], self["access_level"], self["error_code"]]
        return [
            each for each in fields if len(list(each.field.choices)) > 2 or self.value(each.name)
        ]

    @property
    def sort(self) -> str:
        asked = self.data.get("sort", "")
        return asked if asked.removeprefix("-") in SORTS else NEWEST_FIRST

    @property
    def size(self) -> int:
        asked = self.data.get("size", "")
        return int(asked) if asked in map(str, PAGE_SIZES) else PAGE_SIZES[0]

    def wanted(self) -> dict[str, str]:
        """As `retrieval.selectors.filter_documents` takes it."""
        return {name: value for name in self.fields if (value := self.value(name))}
