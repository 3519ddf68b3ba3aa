"""What people look for among the runs, and among the paths of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q

from retrieval.forms import FilterForm, choices, search_box
from retrieval.indexing.run_paths import KINDS
from retrieval.models import Source, SyncRun

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from retrieval.run_path_list import PathRow

# What makes a run worth a look.
COUNTED = ("failed", "added", "updated", "deleted")


class PathFilter(FilterForm):
    """Which of a run's paths: those behind one count, with these words."""

    show = forms.ChoiceField(
        required=False, choices=[(kind, kind) for kind in KINDS], widget=forms.HiddenInput
    )
    q = search_box("Path")

    def __init__(self, data: Any, *, run: SyncRun) -> None:
        super().__init__(data, auto_id="path-%s")
        self.run = run

    @property
    def kind(self) -> str:
        """The one asked for, else the first that tells of something."""
        found = (kind for kind in (*COUNTED, "unchanged") if self.count(kind))
        return self.value("show") or next(found, "added")

    def count(self, kind: str) -> int:
        """What happened, or until then what is planned."""
        is_counted = self.run.status in SyncRun.FINISHED and hasattr(self.run, kind)
        return getattr(self.run, kind) if is_counted else self.run.plan.get(kind, 0)

    def apply(self, entries: list[PathRow]) -> list[PathRow]:
        words = self.value("q").casefold()
        return [entry for entry in entries if words in entry.path.casefold()] if words else entries


class RunFilter(FilterForm):
    source = forms.ModelChoiceField(queryset=None, required=False)
    status = forms.ChoiceField(required=False, choices=choices("Any status", SyncRun.Status.values))
    trigger = forms.ChoiceField(
        required=False, choices=choices("Started any way", SyncRun.Trigger.values)
    )
    changes = forms.BooleanField(required=False, label="Only with changes")

    def __init__(self, data: Any, *, sources: QuerySet[Source]) -> None:
        super().__init__(data, auto_id="filter-%s")
        field: Any = self.fields["source"]
        field.queryset, field.empty_label = sources, "Any source"

    def apply(self, runs: QuerySet[SyncRun]) -> QuerySet[SyncRun]:
        for name in ("source", "status", "trigger"):
            if value := self.value(name):
                runs = runs.filter(**{name: value})
        if self.value("changes"):
            changed = Q()
            for count in COUNTED:
                changed |= Q(**{f"{count}__gt": 0})
            runs = runs.filter(changed)
        return runs
