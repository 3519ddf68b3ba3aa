"""What traces are looked for, from the URL of the traces page and of GET /api/v1/answers/ alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone

from retrieval.forms import FilterForm, choices, search_box
from retrieval.models import QueryTrace
from retrieval.moments import MomentField
from retrieval.terms import name_term, search_terms
from tenants.context import current_tenant
from tenants.models import ApiKey, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.db.models import QuerySet
    from django.forms import BoundField

CACHES = {
    "none": "Not from the cache",
    "any": "From any cache",
    "exact": "Same question",
    "semantic": "Like question",
    "llm": "Model reply reused",
}
RATINGS = {"any": "Rated", "up": "Thumbs up", "down": "Thumbs down", "none": "Not rated"}
DAYS = {"1": "Last day", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days"}
FIRST_ROW = {"q", "rating", "status", "cache", "days"}
ANY = "any"
YES = [("", "Either"), ("yes", "Yes"), ("no", "No")]
# As ApiKey.__str__ writes it, and so as traces have it.
KEY_LABEL = re.compile(r"^(?P<name>.*) \((?P<prefix>.{1,12})…\)$")


def _number(label: str, *, least: float = 0, most: float | None = None) -> forms.FloatField:
    attributes = {"step": "any", "inputmode": "decimal"}
    widget = forms.NumberInput(attributes)
    return forms.FloatField(
        required=False, label=label, min_value=least, max_value=most, widget=widget
    )


def _listed(label: str, options: str) -> forms.CharField:
    """Free text, with what there is offered below it."""
    widget = forms.TextInput({"list": options, "autocomplete": "off"})
    return forms.CharField(required=False, max_length=254, label=label, widget=widget)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is in use. `query`: the URL's without it."""

    label: str
    value: str
    query: str


class TraceFilter(FilterForm):
    """On a page a value that means nothing is left out and said to be (`mistakes`)."""

    q = search_box("Words of the question")
    rating = forms.ChoiceField(required=False, choices=[("", "Any rating"), *RATINGS.items()])
    status = forms.ChoiceField(
        required=False, choices=choices("Any status", QueryTrace.Status.values)
    )
    cache = forms.ChoiceField(required=False, choices=[("", "Any cache"), *CACHES.items()])
    days = forms.TypedChoiceField(
        required=False,
        label="Period",
        coerce=int,
        empty_value=None,
        choices=[("", "All time"), *DAYS.items()],
    )
    model = _listed("Model", "trace-models")
    error = _listed("Error", "trace-errors")
    asked_by = _listed("Asked by", "trace-askers")
    latency_above = _number("Latency above, ms")
    cost_above = forms.DecimalField(
        required=False, label="Cost above, US$", min_value=0, max_digits=14, decimal_places=9
    )
    similarity_below = _number("Similarity below", least=-1, most=1)
    similarity_above = _number("Similarity above", least=-1, most=1)
    abstained = forms.ChoiceField(required=False, label="No answer found", choices=YES)
    degraded = forms.ChoiceField(required=False, label="Without a service", choices=YES)
    simulated = forms.ChoiceField(required=False, label="Demo traffic", choices=YES)
    document = forms.UUIDField(required=False, label="Shows the document")

    def __init__(self, data: Any, *, timezone: str = "UTC", sees_everybody: bool = True) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.zone = timezone
        self.fields["from"] = MomentField(timezone, label="From")
        self.fields["to"] = MomentField(timezone, label="Until", is_end=True)
        if not sees_everybody:
            del self.fields["asked_by"]

    def clean_q(self) -> str:
        words = self.cleaned_data["q"]
        if words and not search_terms(words):
            raise forms.ValidationError(
                "These words stand in nearly every question: search for a rarer one."
            )
        return words

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("from"), self.cleaned_data.get("to")
        # By the clock alone, the hour that comes twice when clocks go back would end as it begins.
        if start and end and start.timestamp() >= end.timestamp():
            self.add_error("to", "The period ends before it begins.")
        return self.cleaned_data

    @property
    def wanted(self) -> dict[str, Any]:
        """The filters in use, by name."""
        self.is_valid()
        found = ((name, self.cleaned_data.get(name)) for name in self.fields)
        return {name: value for name, value in found if value not in (None, "")}

    @property
    def is_used(self) -> bool:
        return bool(self.wanted) or bool(self.errors)

    @property
    def mistakes(self) -> list[tuple[str, str]]:
        return [(str(self[name].label), str(said[0])) for name, said in self.errors.items()]

    @property
    def query(self) -> str:
        """The URL's part, of the filters in use alone."""
        return self._query_without("")

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(str(self[name].label or name.capitalize()), self._words(name), query)
            for name in self.wanted
            for query in [self._query_without(name)]
        ]

    @property
    def detailed(self) -> list[BoundField]:
        """Those that are not in the first row."""
        names = dict.fromkeys(("from", "to", *self.fields))
        return [self[name] for name in names if name not in FIRST_ROW]

    @property
    def is_detailed(self) -> bool:
        """One of those has to be looked at. Those in use stand below as chips."""
        return bool({*self.errors} - FIRST_ROW)

    def apply(self, traces: QuerySet[QueryTrace]) -> QuerySet[QueryTrace]:
        for name, value in self.wanted.items():
            for condition in CONDITIONS[name](value):
                traces = traces.filter(condition)
        return traces

    def _words(self, name: str) -> str:
        raw = str(self[name].value())
        named = dict(getattr(self.fields[name], "choices", ()))
        moment = self.cleaned_data.get(name) if name in {"from", "to"} else None
        return f"{moment:%d %b %Y %H:%M}" if moment else str(named.get(raw, raw))

    def _query_without(self, name: str) -> str:
        kept = QueryDict(mutable=True)
        for each in self.wanted:
            if each != name:
                kept[each] = self[each].value()
        return kept.urlencode()


def _cache(layer: str) -> Iterator[Q]:
    yield ~Q(cache="none") if layer == ANY else Q(cache=layer)


def _rating(thumb: str) -> Iterator[Q]:
    yield ~Q(rating="") if thumb == ANY else Q(rating="" if thumb == "none" else thumb)


def _error(code: str) -> Iterator[Q]:
    yield Q(status=QueryTrace.Status.FAILED)
    yield ~Q(error_code="") if code == ANY else Q(error_code=code)


def _asked_by(label: str) -> Iterator[Q]:
    """A person's address, or a key's name: by their ids, which have an index. Whoever is neither any
    more, by the name as it was."""
    named = KEY_LABEL.match(label)
    exactly = Q(name=named["name"], prefix=named["prefix"]) if named else Q(name=label)
    keys = ApiKey.objects.filter(exactly, tenant_id=current_tenant().id).values_list(
        "pk", flat=True
    )
    people = User.objects.filter(email__iexact=label).values_list("pk", flat=True)
    known = [Q(user_id=pk) for pk in people] + [Q(api_key_id=pk) for pk in keys]
    if known:
        yield reduce(or_, known)
    else:
        yield Q(asked_by=label)
        yield Q(terms__overlap=[name_term(label)])


def _words(text: str) -> Iterator[Q]:
    """Each on its own: the index takes them together all the same, and row-level security lets it."""
    for term in search_terms(text):
        yield Q(terms__overlap=[term])


def _one(condition: Callable[[Any], Q]) -> Callable[[Any], Iterator[Q]]:
    return lambda value: iter([condition(value)])


def _flag(flag: Q) -> Callable[[Any], Iterator[Q]]:
    return _one(lambda value: flag if value == "yes" else ~flag)


CONDITIONS: Mapping[str, Callable[[Any], Iterator[Q]]] = {
    "q": _words,
    "rating": _rating,
    "status": _one(lambda value: Q(status=value)),
    "cache": _cache,
    "days": _one(lambda value: Q(created_at__gte=timezone.now() - timedelta(days=value))),
    "model": _one(lambda value: Q(model=value)),
    "error": _error,
    "asked_by": _asked_by,
    "latency_above": _one(lambda value: Q(duration_ms__gt=value)),
    "cost_above": _one(lambda value: Q(total_cost_usd__gt=value)),
    "similarity_below": _one(lambda value: Q(similarity_avg__lt=value)),
    "similarity_above": _one(lambda value: Q(similarity_avg__gt=value)),
    "abstained": _flag(Q(abstained=True)),
    "degraded": _flag(~Q(degraded=[])),
    "simulated": _flag(Q(is_simulated=True)),
    "document": _one(lambda value: Q(terms__overlap=[name_term(str(value))])),
    "from": _one(lambda value: Q(created_at__gte=value)),
    "to": _one(lambda value: Q(created_at__lt=value)),
}
