"""What the review of thumbs-down is filtered by, from the URL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.utils import timezone

from retrieval.diagnosis.words import LABELS
from retrieval.forms import FilterForm, search_box
from retrieval.models import Feedback
from retrieval.services.feedback import REASONS

if TYPE_CHECKING:
    from django.db.models import QuerySet

STATUSES = {
    "": "Open",
    "fixed": "Fixed",
    "dismissed": "Dismissed",
    "all": "All",
}
WAITING = "waiting"


class ReviewFilter(FilterForm):
    """`document` is one of retrieval.review_list's keys of groups."""

    q = search_box("Words of the question or comment")
    status = forms.ChoiceField(required=False, choices=list(STATUSES.items()))
    diagnosis = forms.ChoiceField(
        required=False,
        choices=[("", "Any diagnosis"), *LABELS.items(), (WAITING, "Not diagnosed yet")],
    )
    reason = forms.ChoiceField(required=False, choices=[("", "Any reason"), *REASONS.items()])
    days = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "All time"), ("1", "Last day"), ("7", "Last 7 days"), ("30", "Last 30 days")],
    )
    document = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter-%s")

    def apply(self, found: QuerySet[Feedback], *, but: str = "") -> QuerySet[Feedback]:
        """To feedback as_seen: all filters but `document`, which the list applies, and the one named."""
        conditions = {
            "q": self._words,
            "status": self._status,
            "diagnosis": self._diagnosis,
            "reason": lambda value: Q(reason=value),
            "days": lambda value: Q(created_at__gte=timezone.now() - timedelta(days=value)),
        }
        for name, condition in conditions.items():
            value = self.value(name)
            if name != but and (value or name == "status"):
                found = found.filter(condition(value))
        return found

    @staticmethod
    def _words(value: str) -> Q:
        return Q(trace__question__icontains=value) | Q(comment__icontains=value)

    @staticmethod
    def _status(value: str) -> Q:
        return Q() if value == "all" else Q(status=value or Feedback.Status.OPEN)

    @staticmethod
    def _diagnosis(value: str) -> Q:
        return Q(diagnosed_at=None) if value == WAITING else Q(seen_as=value)
