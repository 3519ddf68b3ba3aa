"""Documents to write: what was asked and no document says, grouped by meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.db.models import Q
from django.utils import timezone

from ragadmin.errors import RagadminError
from retrieval.background import run_alone
from retrieval.models import Feedback, QueryTrace
from retrieval.query.context import notes_of
from retrieval.query.embed import embed_texts
from retrieval.query.paid_apart import paid_apart
from retrieval.written import find_written
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

    from retrieval.types import Hit
    from tenants.models import Tenant

log = structlog.get_logger("ragadmin.gaps")

# The newest are grouped: a look takes a moment, however much was asked.
MOST_QUESTIONS = 500
MOST_GAPS = 20
EXAMPLES = 4
USUAL_DAYS = 30
# Cosine from which two questions want the same document. Other wordings of one lie above 0.7, other
# subjects of one field below 0.5.
SAME_SUBJECT = 0.6
# From which a question is like one that somebody decided not to write about. Nearer than a group: what
# is only near must not be hidden with it.
LIKE_IGNORED = 0.7
REMEMBERED = timedelta(days=365)
COLUMNS = (
    "id", "question", "standalone_question", "asked_by", "created_at", "is_simulated", "gap_ignored",
    "abstained", "access_levels",
)  # fmt: skip
SETTLED = (Feedback.Status.FIXED, Feedback.Status.DISMISSED)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that no document answers. `is_rated_down`: somebody said so."""

    trace_id: UUID
    question: str
    asked_by: str
    asked_at: datetime
    is_simulated: bool
    is_ignored: bool
    is_rated_down: bool
    is_abstained: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions that one document would answer, the most central first, then the newest. `written`: a
    passage that fits by now."""

    questions: tuple[Unanswered, ...]
    written: Hit | None = None

    @property
    def title(self) -> str:
        return self.questions[0].question

    @property
    def count(self) -> int:
        return len(self.questions)

    @property
    def askers(self) -> int:
        return len({each.asked_by for each in self.questions})

    @property
    def rated_down(self) -> int:
        return sum(each.is_rated_down for each in self.questions)

    @property
    def unanswered(self) -> int:
        return sum(each.is_abstained for each in self.questions)

    @property
    def simulated(self) -> int:
        return sum(each.is_simulated for each in self.questions)

    @property
    def last_asked_at(self) -> datetime:
        return max(each.asked_at for each in self.questions)

    @property
    def examples(self) -> list[Unanswered]:
        """Other wordings than the title."""
        seen = {_plain(self.title)}
        found: list[Unanswered] = []
        for each in self.questions[1:]:
            if _plain(each.question) not in seen:
                seen.add(_plain(each.question))
                found.append(each)
        return found[:EXAMPLES]

    @property
    def trace_ids(self) -> list[UUID]:
        return [each.trace_id for each in self.questions]


def documents_to_write(
    tenant: Tenant,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    with_simulated: bool = True,
    is_ignored: bool = False,
    limit: int = MOST_GAPS,
    levels: Collection[str] | None = None,
) -> list[Gap]:
    """What was asked in [start, end), by default in the last 30 days, and no document answers: the
    answer said so, or was rated down and diagnosed so. Most asked first. `is_ignored`: instead, what
    somebody decided not to write about in the last year, and the like of that period. `levels`: of the
    reader, who is shown a follow-up as it was asked if the asker could read more, and last of all what
    documents that they may read seem to say by now.

    No tenant may be in force. Without the embedder only like words are grouped.
    """
    end = end or timezone.now()
    start = start or end - timedelta(days=USUAL_DAYS)
    with tenant_context(tenant):
        asked = _read(start, end, levels, with_simulated=with_simulated)
        decided = _read_ignored(levels)
    questions = _newest_first({each.trace_id: each for each in (*decided, *asked)}.values())
    vectors = _vectors(tenant, questions)
    hidden = _ignored(questions, vectors)
    places = [
        n
        for n, each in enumerate(questions)
        if hidden[n] == is_ignored and (with_simulated or not each.is_simulated)
    ]
    gaps = [
        Gap(tuple(questions[places[n]] for n in group))
        for group in group_by_meaning(vectors[places])
    ]
    most = sorted(gaps, key=lambda gap: (-gap.count, -gap.last_asked_at.timestamp()))[:limit]
    if not levels or is_ignored:
        return most
    found = find_written(tenant, [gap.title for gap in most], levels)
    told = [replace(gap, written=hit) for gap, hit in zip(most, found, strict=True)]
    return sorted(told, key=lambda gap: gap.written is not None)


def _read(
    start: datetime, end: datetime, levels: Collection[str] | None, *, with_simulated: bool
) -> list[Unanswered]:
    """The newest first. Two queries, each along its own index."""
    asked = QueryTrace.objects.filter(created_at__gte=start, created_at__lt=end)
    if not with_simulated:
        asked = asked.filter(is_simulated=False)
    newest = _rated_down().filter(created_at__gte=start).order_by("-created_at")
    rated = set(newest.values_list("trace_id", flat=True)[:MOST_QUESTIONS])
    abstained = asked.filter(abstained=True).exclude(feedback__status__in=SETTLED)
    rows = {row["id"]: row for row in _newest(abstained)}
    rows |= {row["id"]: row for row in _newest(asked.filter(id__in=rated))}
    found = [_unanswered(row, levels, is_rated_down=key in rated) for key, row in rows.items()]
    return _newest_first(found)[:MOST_QUESTIONS]


def _read_ignored(levels: Collection[str] | None) -> list[Unanswered]:
    """What was decided about earlier questions holds for those of any period. Each kind along its index."""
    year = QueryTrace.objects.filter(created_at__gte=timezone.now() - REMEMBERED, gap_ignored=True)
    kinds = (Q(abstained=True), Q(rating=Feedback.Rating.DOWN))
    rows = {row["id"]: row for kind in kinds for row in _newest(year.filter(kind))}
    return [_unanswered(row, levels, is_rated_down=False) for row in rows.values()]


def _newest_first(questions: Iterable[Unanswered]) -> list[Unanswered]:
    return sorted(questions, key=lambda each: (each.asked_at, each.trace_id), reverse=True)


def _rated_down() -> QuerySet[Feedback]:
    """And so far nothing was done about it."""
    down = Feedback.objects.filter(
        rating=Feedback.Rating.DOWN, diagnosis=Feedback.Diagnosis.NOT_IN_CORPUS
    )
    return down.exclude(status__in=SETTLED)


def _unanswered(
    row: dict[str, Any], levels: Collection[str] | None, *, is_rated_down: bool
) -> Unanswered:
    may_read_all = levels is None or set(row["access_levels"]) <= set(levels)
    return Unanswered(
        trace_id=row["id"],
        question=(may_read_all and row["standalone_question"]) or row["question"],
        asked_by=row["asked_by"],
        asked_at=row["created_at"],
        is_simulated=row["is_simulated"],
        is_ignored=row["gap_ignored"],
        is_rated_down=is_rated_down,
        is_abstained=row["abstained"],
    )


def _newest(traces: QuerySet[QueryTrace]) -> Iterable[dict[str, Any]]:
    return traces.order_by("-created_at").values(*COLUMNS)[:MOST_QUESTIONS]


def _vectors(tenant: Tenant, questions: Sequence[Unanswered]) -> np.ndarray:
    """A row of unit length for each; without the embedder, the same for the same words and at right
    angles to all others."""
    wordings = list(dict.fromkeys(each.question for each in questions))
    if not wordings:
        return np.zeros((0, 1), np.float32)
    config = tenant_config(tenant)
    caller = Caller(config, config.access_levels, frozenset({"query"}), "documents to write")
    try:
        vectors = run_alone(_embed(caller, wordings))
    except RagadminError as error:
        log.warning("grouped_by_words_alone", tenant=tenant.slug, reason=error.code)
        plain = list(dict.fromkeys(map(_plain, wordings)))
        vectors = np.eye(len(plain), dtype=np.float32)[[plain.index(_plain(w)) for w in wordings]]
    place = {wording: n for n, wording in enumerate(wordings)}
    return vectors[[place[each.question] for each in questions]]


async def _embed(caller: Caller, wordings: Sequence[str]) -> np.ndarray:
    async with paid_apart(caller, "diagnosis") as run:
        return await embed_texts(caller, wordings, notes_of(run))


def _ignored(questions: Sequence[Unanswered], vectors: np.ndarray) -> list[bool]:
    """Whether somebody decided so of it, or of one that is like it: of each question by itself, so
    that one that is ignored hides no group that grew around it."""
    decided = np.array([each.is_ignored for each in questions], bool)
    if not decided.any():
        return [False] * len(questions)
    likeness = (vectors @ vectors[decided].T).max(axis=1)
    return (decided | (likeness >= LIKE_IGNORED)).tolist()


def group_by_meaning(vectors: np.ndarray) -> list[list[int]]:
    """Rows of unit length in groups, each around the row that has most others near it, which comes
    first; a row belongs to one group."""
    cosines = vectors @ vectors.T
    near = cosines >= SAME_SUBJECT
    np.fill_diagonal(near, val=True)
    left = np.ones(len(vectors), bool)
    neighbours = near.sum(axis=1)
    groups: list[list[int]] = []
    while left.any():
        centre = int(np.where(left, neighbours, -1).argmax())
        members = np.flatnonzero(near[centre] & left)
        left[members] = False
        neighbours = neighbours - near[:, members].sum(axis=1)
        groups.append([centre, *(int(n) for n in members if n != centre)])
    return groups


def _plain(question: str) -> str:
    return " ".join(question.casefold().split()).rstrip("?!. ")


def ignore_questions(trace_ids: Sequence[UUID], *, ignored: bool) -> int:
    """Nobody is to write about these, nor about the like; or somebody is after all. With the tenant
    in force."""
    found = QueryTrace.objects.filter(id__in=list(trace_ids)[:MOST_QUESTIONS])
    return found.update(gap_ignored=ignored)
