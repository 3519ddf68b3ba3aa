"""Thumbs-down to be looked at, grouped by the document that would have answered, as one admin may
see them: what is above their levels has no name here. What neither they nor the asker may read is not
there for them at all: else whoever asks and reviews would learn what is said above their levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    Max,
    Q,
    Value,
    When,
    Window,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import RowNumber

from retrieval.diagnosis.words import IN_GENERAL, LABELS, to_be_written
from retrieval.models import Document, Feedback
from retrieval.services.feedback import REASONS
from retrieval.services.review import is_being_asked
from tenants.context import current_tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from retrieval.models import QueryTrace

Diagnosis = Feedback.Diagnosis
# Keys of the groups that are no document's.
NOWHERE, HIDDEN, WAITING = "none", "hidden", "waiting"
TITLES = {
    NOWHERE: "Nothing in the documents",
    HIDDEN: "Documents you may not read",
    WAITING: "Not diagnosed yet",
}
# Of a diagnosis that no document answers, what was learnt from the documents of all levels.
OF_ALL = ("evidence", "needed", "unknown", "read")
# Evidence that is so little above what is needed is often that of a passage about the subject only.
NEAR_THE_LIMIT = 0.2
ROWS_OF_GROUP, ROWS_OF_ONE = 5, 50
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
    """`diagnosis` and `detail` as the reader may know them. `may_read`: the passage that the diagnosis
    names, by its level then and today."""

    feedback: Feedback
    diagnosis: str
    detail: dict[str, Any]
    may_read: bool
    document: DocumentNow | None = None
    is_changed: bool = False

    @property
    def trace(self) -> QueryTrace:
        return self.feedback.trace

    @property
    def label(self) -> str:
        return LABELS.get(self.diagnosis, "")

    @property
    def reason(self) -> str:
        return REASONS.get(self.feedback.reason, "")

    @property
    def explanation(self) -> str:
        return self.detail.get("explanation") or IN_GENERAL.get(self.diagnosis, "")

    @property
    def fix(self) -> str:
        return self.detail.get("fix", "")

    @property
    def is_near_the_limit(self) -> bool:
        evidence, needed = self.detail.get("evidence", 0.0), self.detail.get("needed", 0.0)
        return 0 < needed <= evidence < needed + NEAR_THE_LIMIT

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


def as_seen(found: QuerySet[Feedback], levels: Sequence[str]) -> QuerySet[Feedback]:
    """With `key`, the group that each is in, and `seen_as`, its diagnosis, for a reader with these
    levels. As `_describe` has it for rows that were read."""
    named = found.annotate(
        about=KeyTextTransform("document_id", "diagnosis_detail"),
        level=KeyTextTransform("access_level", "diagnosis_detail"),
    )
    is_above = ~Q(level__in=levels) | Q(about__in=_raised(named, levels))
    is_not_permitted = Q(diagnosis=Diagnosis.NOT_PERMITTED)
    above = Case(When(is_not_permitted, then=Value(NOWHERE)), default=Value(HIDDEN))
    return named.annotate(
        key=Case(
            When(diagnosed_at=None, then=Value(WAITING)),
            When(about__isnull=True, then=Value(NOWHERE)),
            When(is_above, then=above),
            default=F("about"),
            output_field=CharField(),
        ),
        seen_as=Case(
            When(is_not_permitted & is_above, then=Value(Diagnosis.NOT_IN_CORPUS)),
            default=F("diagnosis"),
        ),
    )


def _raised(named: QuerySet[Feedback], levels: Sequence[str]) -> list[str]:
    """Of the documents that are named, those that are above these levels today. In a list of its own: the
    planner, left to join them, reads all documents for each row."""
    if set(levels) >= set(current_tenant().access_levels):
        return []
    ids = named.filter(about__isnull=False).values_list("about", flat=True).order_by().distinct()
    return [key for key, now in documents_now(ids).items() if now.access_level not in levels]


def count_groups(found: QuerySet[Feedback]) -> list[Group]:
    """Of feedback as_seen, most thumbs-down first."""
    path = Max(KeyTextTransform("path", "diagnosis_detail"))
    rows = found.values("key").annotate(count=Count("trace_id"), path=path).order_by()
    groups = [
        Group(
            row["key"],
            TITLES.get(row["key"], row["path"] or ""),
            row["count"],
            row["key"] not in TITLES,
        )
        for row in rows
    ]
    return sorted(groups, key=lambda group: (-group.count, group.title, group.key))


def fill_groups(found: QuerySet[Feedback], groups: Sequence[Group], levels: Sequence[str]) -> None:
    """The newest rows of each of these few groups, and the paths that documents have today."""
    window = Window(
        RowNumber(), partition_by=[F("key")], order_by=[F("created_at").desc(), F("trace_id")]
    )
    of_these = found.filter(key__in=[group.key for group in groups])
    newest = of_these.annotate(place=window).filter(place__lte=ROWS_OF_GROUP)
    key_of = dict(newest.values_list("trace_id", "key"))
    by_key = {group.key: group for group in groups}
    for row in describe_rows(listed(Feedback.objects.filter(trace_id__in=key_of)), levels):
        group = by_key[key_of[row.feedback.pk]]
        group.rows.append(row)
        if group.is_document and row.document:
            group.title = row.document.path


def listed(found: QuerySet[Feedback]) -> QuerySet[Feedback]:
    """The newest first, with what a list shows of each."""
    return found.select_related("trace").defer(*NOT_LISTED).order_by("-created_at", "trace_id")


def describe_rows(feedback: Iterable[Feedback], levels: Sequence[str]) -> list[ReviewRow]:
    rows = list(feedback)
    known = documents_now(row.diagnosis_detail.get("document_id") for row in rows)
    readable = Document.objects.filter(access_level__in=levels)
    newest = readable.aggregate(at=Max("indexed_at"))["at"] if rows else None
    return [_describe(row, known, newest, frozenset(levels)) for row in rows]


def _describe(
    feedback: Feedback,
    known: dict[str, DocumentNow],
    newest: datetime | None,
    levels: frozenset[str],
) -> ReviewRow:
    detail, diagnosis = feedback.diagnosis_detail, feedback.diagnosis
    now = known.get(detail.get("document_id") or "")
    may_read = _may_read(detail, now, levels)
    if diagnosis == Diagnosis.NOT_PERMITTED and not may_read:
        diagnosis, now, may_read = Diagnosis.NOT_IN_CORPUS, None, True
    if diagnosis == Diagnosis.NOT_IN_CORPUS:
        detail = _nothing_found(feedback, levels)
    return ReviewRow(
        feedback=feedback,
        diagnosis=diagnosis,
        detail=detail if may_read else {},
        may_read=may_read,
        document=now,
        is_changed=_is_changed(feedback, diagnosis, now, newest),
    )


def _nothing_found(feedback: Feedback, levels: frozenset[str]) -> dict[str, Any]:
    """The same whether a document above the reader's levels says it or none does. How near the nearest
    passage came is for who may read all of them."""
    trace, detail = feedback.trace, feedback.diagnosis_detail
    may_read_all = levels >= set(current_tenant().access_levels)
    known = {name: detail[name] for name in OF_ALL if name in detail} if may_read_all else {}
    is_readable = levels >= set(trace.access_levels)
    question = (is_readable and trace.standalone_question) or trace.question
    explanation, fix = to_be_written(question, known)
    return {**known, "explanation": explanation, "fix": fix}


def _is_changed(
    feedback: Feedback, diagnosis: str, now: DocumentNow | None, newest: datetime | None
) -> bool:
    """Since it was diagnosed, or asked again: the document, or any where none held the answer."""
    seen_at = max(filter(None, (feedback.diagnosed_at, feedback.asked_again_at)), default=None)
    if feedback.diagnosed_at is None or seen_at is None or feedback.status != Feedback.Status.OPEN:
        return False
    if diagnosis == Diagnosis.NOT_IN_CORPUS:
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


def _may_read(detail: dict[str, Any], now: DocumentNow | None, levels: frozenset[str]) -> bool:
    """By what it was when it was diagnosed, and what it is today."""
    if detail.get("document_id") is None:
        return True
    return detail.get("access_level") in levels and (now is None or now.access_level in levels)
