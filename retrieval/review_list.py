"""Thumbs-down to be looked at, grouped by the document that would have answered, as one admin may
see them: what is above their levels has no name here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import RowNumber

from retrieval.diagnosis.words import IN_GENERAL, LABELS
from retrieval.models import Document, Feedback
from retrieval.services.feedback import REASONS
from retrieval.services.review import is_being_asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from retrieval.models import QueryTrace

# Keys of the groups that are no document's.
NOWHERE, HIDDEN, WAITING = "none", "hidden", "waiting"
TITLES = {
    NOWHERE: "Nothing in the documents",
    HIDDEN: "Documents you may not read",
    WAITING: "Not diagnosed yet",
}
ROWS_OF_GROUP, ROWS_OF_ONE = 5, 200
# Long, and not in the list.
NOT_LISTED = (
    "trace__answer", "trace__prompt", "trace__citations", "trace__hits", "trace__dropped",
    "trace__spans", "trace__route", "trace__calls", "trace__shadow", "trace__terms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DocumentNow:
    path: str
    access_level: str
    indexed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """`may_read`: the passage that the diagnosis names, by its level then and today."""

    feedback: Feedback
    may_read: bool
    document: DocumentNow | None = None
    is_changed: bool = False

    @property
    def trace(self) -> QueryTrace:
        return self.feedback.trace

    @property
    def detail(self) -> dict[str, Any]:
        return self.feedback.diagnosis_detail if self.may_read else {}

    @property
    def label(self) -> str:
        return LABELS.get(self.feedback.diagnosis, "")

    @property
    def reason(self) -> str:
        return REASONS.get(self.feedback.reason, "")

    @property
    def explanation(self) -> str:
        return self.detail.get("explanation") or IN_GENERAL.get(self.feedback.diagnosis, "")

    @property
    def fix(self) -> str:
        return self.detail.get("fix", "")

    @property
    def is_waiting(self) -> bool:
        return self.feedback.diagnosed_at is None

    @property
    def is_being_asked(self) -> bool:
        return is_being_asked(self.feedback)

    @property
    def is_lost(self) -> bool:
        """Asked again, and nobody came back with an answer."""
        begun = self.feedback.asked_again_at
        is_over = self.feedback.new_trace_id or self.feedback.ask_again_error
        return bool(begun) and not is_over and not self.is_being_asked


@dataclass(slots=True)
class Group:
    key: str
    title: str
    count: int
    is_document: bool = False
    rows: list[ReviewRow] = field(default_factory=list[ReviewRow])


def with_document(found: QuerySet[Feedback]) -> QuerySet[Feedback]:
    return found.annotate(
        about=KeyTextTransform("document_id", "diagnosis_detail"), waits=Q(diagnosed_at=None)
    )


def count_groups(found: QuerySet[Feedback], levels: Sequence[str]) -> list[Group]:
    """Most thumbs-down first."""
    level = KeyTextTransform("access_level", "diagnosis_detail")
    rows = list(
        with_document(found)
        .values("about", "waits", level=level)
        .annotate(count=Count("trace_id"), path=Max(KeyTextTransform("path", "diagnosis_detail")))
    )
    known = documents_now(row["about"] for row in rows)
    groups: dict[str, Group] = {}
    for row in rows:
        now = known.get(row["about"])
        may_read = _may_read(row["level"], now, levels)
        key = _key(row["about"], row["waits"], may_read=may_read)
        title = TITLES.get(key) or (now.path if now else row["path"])
        group = groups.setdefault(key, Group(key, title, 0, key not in TITLES))
        group.count += row["count"]
    return sorted(groups.values(), key=lambda group: (-group.count, group.title))


def _key(about: str | None, is_waiting: bool, *, may_read: bool) -> str:
    if is_waiting:
        return WAITING
    if about is None:
        return NOWHERE
    return about if may_read else HIDDEN


def fill_groups(
    found: QuerySet[Feedback], groups: Sequence[Group], levels: Sequence[str], size: int
) -> None:
    """The newest rows of each group, in two queries for all of them."""
    window = Window(
        RowNumber(),
        partition_by=[F("about"), F("waits")],
        order_by=[F("created_at").desc()],
    )
    newest = with_document(found).annotate(place=window).filter(place__lte=size)
    rows = newest.select_related("trace").defer(*NOT_LISTED).order_by("-created_at")
    by_key = {group.key: group for group in groups}
    for row in describe_rows(rows, levels):
        about = row.feedback.diagnosis_detail.get("document_id")
        key = _key(about, row.feedback.diagnosed_at is None, may_read=row.may_read)
        group = by_key.get(key)
        if group is not None and len(group.rows) < size:
            group.rows.append(row)


def describe_rows(feedback: Iterable[Feedback], levels: Sequence[str]) -> list[ReviewRow]:
    rows = list(feedback)
    known = documents_now(row.diagnosis_detail.get("document_id") for row in rows)
    newest = Document.objects.aggregate(at=Max("indexed_at"))["at"] if rows else None
    return [_describe(row, known, newest, levels) for row in rows]


def _describe(
    feedback: Feedback,
    known: dict[str, DocumentNow],
    newest: datetime | None,
    levels: Sequence[str],
) -> ReviewRow:
    about = feedback.diagnosis_detail.get("document_id")
    level = feedback.diagnosis_detail.get("access_level")
    now = known.get(about or "")
    return ReviewRow(
        feedback=feedback,
        may_read=about is None or _may_read(level, now, levels),
        document=now,
        is_changed=_is_changed(feedback, now, newest),
    )


def _is_changed(feedback: Feedback, now: DocumentNow | None, newest: datetime | None) -> bool:
    """Since it was diagnosed, or asked again: the document, or any where none held the answer."""
    seen_at = max(filter(None, (feedback.diagnosed_at, feedback.asked_again_at)), default=None)
    if feedback.diagnosed_at is None or seen_at is None or feedback.status != Feedback.Status.OPEN:
        return False
    if feedback.diagnosis_detail.get("document_id") is None:
        return newest is not None and newest > seen_at
    if now is None:
        return feedback.asked_again_at is None
    is_indexed = now.indexed_at is not None and now.indexed_at > seen_at
    is_moved = now.access_level != feedback.diagnosis_detail.get("access_level")
    return is_indexed or (is_moved and feedback.asked_again_at is None)


def documents_now(ids: Iterable[str | None]) -> dict[str, DocumentNow]:
    wanted = {UUID(each) for each in ids if each}
    columns = ("id", "path", "access_level", "indexed_at")
    found = Document.objects.filter(id__in=wanted).values_list(*columns) if wanted else ()
    return {str(key): DocumentNow(*row) for key, *row in found}


def _may_read(level: str | None, now: DocumentNow | None, levels: Sequence[str]) -> bool:
    """By what it was when it was diagnosed, and what it is today."""
    return {level, now.access_level if now else None} - {None} <= set(levels)
