"""Documents to write: what was asked and no document says, grouped by meaning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from django.utils import timezone

from ragadmin.errors import RagadminError
from retrieval.background import run_alone
from retrieval.models import Feedback, QueryTrace
from retrieval.query.embed import embed_texts
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

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
COLUMNS = (
    "id", "question", "standalone_question", "asked_by", "created_at", "is_simulated", "gap_ignored",
    "abstained",
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
    """Questions that one document would answer, the most central first, then the newest."""

    questions: tuple[Unanswered, ...]

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
    def is_ignored(self) -> bool:
        """With whoever asks the like from now on."""
        return any(each.is_ignored for each in self.questions)

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
) -> list[Gap]:
    """What was asked in [start, end), by default in the last 30 days, and no document answers: the
    answer said so, or was rated down and diagnosed so. Most asked first.

    No tenant may be in force. Without the embedder only like words are grouped.
    """
    start = start or timezone.now() - timedelta(days=USUAL_DAYS)
    with tenant_context(tenant):
        questions = _read(start, end or timezone.now(), with_simulated=with_simulated)
    gaps = [Gap(tuple(questions[n] for n in group)) for group in _groups(tenant, questions)]
    wanted = [gap for gap in gaps if gap.is_ignored == is_ignored]
    return sorted(wanted, key=lambda gap: (-gap.count, -gap.last_asked_at.timestamp()))[:limit]


def _read(start: datetime, end: datetime, *, with_simulated: bool) -> list[Unanswered]:
    """The newest first. Two queries, each along its own index."""
    asked = QueryTrace.objects.filter(created_at__gte=start, created_at__lt=end)
    if not with_simulated:
        asked = asked.filter(is_simulated=False)
    down = Feedback.objects.filter(
        rating=Feedback.Rating.DOWN,
        diagnosis=Feedback.Diagnosis.NOT_IN_CORPUS,
        created_at__gte=start,
    ).exclude(status__in=SETTLED)
    newest = down.order_by("-created_at").values_list("trace_id", flat=True)[:MOST_QUESTIONS]
    rated = set(newest)
    abstained = asked.filter(abstained=True).exclude(feedback__status__in=SETTLED)
    rows = {row["id"]: row for row in _newest(abstained)}
    rows |= {row["id"]: row for row in _newest(asked.filter(id__in=rated))}
    ordered = sorted(rows.values(), key=lambda row: row["created_at"], reverse=True)
    return [
        Unanswered(
            trace_id=row["id"],
            question=row["standalone_question"] or row["question"],
            asked_by=row["asked_by"],
            asked_at=row["created_at"],
            is_simulated=row["is_simulated"],
            is_ignored=row["gap_ignored"],
            is_rated_down=row["id"] in rated,
            is_abstained=row["abstained"],
        )
        for row in ordered[:MOST_QUESTIONS]
    ]


def _newest(traces: QuerySet[QueryTrace]) -> Iterable[dict[str, Any]]:
    return traces.order_by("-created_at").values(*COLUMNS)[:MOST_QUESTIONS]


def _groups(tenant: Tenant, questions: Sequence[Unanswered]) -> list[list[int]]:
    if not questions:
        return []
    wordings = list(dict.fromkeys(each.question for each in questions))
    config = tenant_config(tenant)
    caller = Caller(config, config.access_levels, frozenset({"query"}), "documents to write")
    try:
        vectors = run_alone(embed_texts(caller, wordings))
    except RagadminError as error:
        log.warning("grouped_by_words_alone", tenant=tenant.slug, reason=error.code)
        return _same_words(questions)
    place = {wording: n for n, wording in enumerate(wordings)}
    return group_by_meaning(vectors[[place[each.question] for each in questions]])


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


def _same_words(questions: Sequence[Unanswered]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for n, each in enumerate(questions):
        groups.setdefault(_plain(each.question), []).append(n)
    return list(groups.values())


def _plain(question: str) -> str:
    return " ".join(question.casefold().split()).rstrip("?!. ")


def ignore_questions(trace_ids: Sequence[UUID], *, ignored: bool) -> int:
    """Nobody is to write about these, nor about the like; or somebody is after all. With the tenant
    in force."""
    found = QueryTrace.objects.filter(id__in=list(trace_ids)[:MOST_QUESTIONS])
    return found.update(gap_ignored=ignored)
