"""What the pages take from the URL and from people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone

from retrieval.models import Document, QueryTrace

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a list can be sorted by, and the column behind each. A leading "-" turns the order round.
DOCUMENT_SORTS = {
    "updated": "updated_at",
    "path": "path",
    "status": "status",
    "size": "size_bytes",
    "chunks": "chunk_count",
}
NEWEST_FIRST = "-updated"


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


def _search_box(placeholder: str) -> forms.CharField:
    attributes = {"type": "search", "placeholder": placeholder, "autocomplete": "off"}
    return forms.CharField(
        required=False, max_length=200, label="Search", widget=forms.TextInput(attributes)
    )


class DocumentFilter(FilterForm):
    q = _search_box("Path or title")
    status = forms.ChoiceField(
        required=False, choices=choices("Any status", Document.Status.values)
    )
    access_level = forms.ChoiceField(required=False, label="Access level")

    def __init__(self, data: Any, *, access_levels: Sequence[str]) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.fields["access_level"].choices = choices("Any level", access_levels)
        self.access_levels = access_levels

    @property
    def sort(self) -> str:
        asked = self.data.get("sort", "")
        return asked if asked.removeprefix("-") in DOCUMENT_SORTS else NEWEST_FIRST

    def visible(self) -> QuerySet[Document]:
        """Every document that the caller may see, without the long text column."""
        return Document.objects.filter(access_level__in=self.access_levels).defer("markdown")

    def documents(self) -> QuerySet[Document]:
        found = self.visible()
        if words := self.value("q"):
            found = found.filter(Q(path__icontains=words) | Q(title__icontains=words))
        if status := self.value("status"):
            found = found.filter(status=status)
        if level := self.value("access_level"):
            found = found.filter(access_level=level)
        sign = "-" if self.sort.startswith("-") else ""
        return found.order_by(f"{sign}{DOCUMENT_SORTS[self.sort.removeprefix('-')]}", "id")


class TraceFilter(FilterForm):
    q = _search_box("Words of the question")
    rating = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Any rating"),
            ("up", "Thumbs up"),
            ("down", "Thumbs down"),
            ("none", "Not rated"),
        ],
    )
    status = forms.ChoiceField(
        required=False, choices=choices("Any status", QueryTrace.Status.values)
    )
    days = forms.TypedChoiceField(
        required=False,
        label="Period",
        coerce=int,
        empty_value=None,
        choices=[("", "All time"), ("1", "Last day"), ("7", "Last 7 days"), ("30", "Last 30 days")],
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter-%s")

    def apply(self, traces: QuerySet[QueryTrace]) -> QuerySet[QueryTrace]:
        if words := self.value("q"):
            traces = traces.filter(question__icontains=words)
        if rating := self.value("rating"):
            traces = traces.filter(
                Q(feedback=None) if rating == "none" else Q(feedback__rating=rating)
            )
        if status := self.value("status"):
            traces = traces.filter(status=status)
        if days := self.value("days"):
            traces = traces.filter(created_at__gte=timezone.now() - timedelta(days=days))
        return traces
