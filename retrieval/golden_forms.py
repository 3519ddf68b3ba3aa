"""What the pages of golden questions take from people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from retrieval.forms import FilterForm, search_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from retrieval.models import GoldenQuestion

SHOWN = (
    ("", "All questions"),
    ("wrong", "Wrong in the last run"),
    ("abstain", "Without an answer"),
    ("paused", "Not asked"),
)


class LinesField(forms.CharField):
    """Several texts, each on a line of its own."""

    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3})
        super().__init__(required=False, widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def validate(self, value: Any) -> None:
        """By the service, which knows the limits."""

    def run_validators(self, value: Any) -> None:
        """None look at a list."""


class GoldenQuestionForm(forms.Form):
    question = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), max_length=8_000)
    must_abstain = forms.BooleanField(
        required=False,
        label="The documents hold no answer",
        help_text="The right thing is to say so. Leave what is expected below empty.",
    )
    expected_paths = LinesField(
        label="Expected documents",
        help_text="Their paths, one a line. One of them has to be among the passages found.",
    )
    must_contain = LinesField(
        label="Has to stand in the answer",
        help_text="Words or figures, one a line, whatever their case. The strictest test there is.",
    )
    expected_answer = forms.CharField(
        required=False,
        max_length=8_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Expected answer",
        help_text="Compared by its figures, and by its words or meaning.",
    )
    note = forms.CharField(
        required=False, max_length=2_000, widget=forms.Textarea(attrs={"rows": 2})
    )
    is_active = forms.BooleanField(required=False, label="Ask it", initial=True)

    def __init__(self, *args: Any, levels: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["access_levels"] = forms.MultipleChoiceField(
            choices=[(level, level) for level in levels],
            initial=list(levels),
            widget=forms.CheckboxSelectMultiple,
            label="Asked as somebody with the access levels",
            error_messages={"required": "Choose at least one access level."},
        )


class GoldenFilter(FilterForm):
    q = search_box("Question, path or note")
    show = forms.ChoiceField(required=False, choices=SHOWN)

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter-%s")

    def apply(
        self, found: QuerySet[GoldenQuestion], wrong: Sequence[str]
    ) -> QuerySet[GoldenQuestion]:
        """`wrong`: ids of those that were answered wrongly last."""
        match self.value("show"):
            case "wrong":
                found = found.filter(id__in=wrong)
            case "abstain":
                found = found.filter(must_abstain=True)
            case "paused":
                found = found.filter(is_active=False)
        words = self.value("q").replace("\x00", "")
        if not words:
            return found
        return (
            found.filter(question__icontains=words)
            | found.filter(note__icontains=words)
            | found.filter(expected_paths__icontains=words)
        )


class ImportForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="UTF-8, parted by commas, semicolons or tabs. The first line names the columns.",
        error_messages={"empty": "The file is empty."},
    )
