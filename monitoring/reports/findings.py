"""What a tenant's own people should look at: the day's worst questions, and what no document answers.

Customer text: read from the tenant's tables when it is shown, and kept nowhere else.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.db.models import F

from retrieval.models import Feedback, QueryTrace
from retrieval.services.feedback import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

    from monitoring.reports.days import Day

OF_EACH_KIND = 5
MOST_GAPS = 10
# Of the answers without a source so many are looked at to count which were asked most.
MOST_UNANSWERED = 2_000
LONGEST_QUESTION = 300
LISTED = (
    "id", "question", "created_at", "error_code", "duration_ms", "similarity_avg", "is_simulated",
)  # fmt: skip


def read_findings(day: Day) -> dict[str, Any]:
    """For readers who may see every question of the tenant in force."""
    period = day.period
    traces = QueryTrace.objects.filter(created_at__gte=period.start, created_at__lt=period.end)
    return {"worst_questions": _worst_questions(traces), "gaps": _gaps(traces)}


def _worst_questions(traces: QuerySet[QueryTrace]) -> list[dict[str, Any]]:
    """Each once, under the worst that is to be said of it."""
    seen: set[Any] = set()
    found = []
    for kind, rows, describe in _kinds(traces):
        for trace in rows[:OF_EACH_KIND]:
            if trace.pk not in seen:
                seen.add(trace.pk)
                found.append(_finding(trace, kind, describe(trace)))
    return found


def _kinds(
    traces: QuerySet[QueryTrace],
) -> Iterator[tuple[str, QuerySet[QueryTrace], Callable[[QueryTrace], str]]]:
    listed = traces.only(*LISTED)
    down = traces.filter(feedback__rating=Feedback.Rating.DOWN).select_related("feedback")
    down = down.only(*LISTED, "feedback__reason")
    yield "rated_down", down.order_by("-created_at"), lambda trace: _reason(trace.feedback)
    failed = listed.filter(status=QueryTrace.Status.FAILED).order_by("-created_at")
    yield "failed", failed, lambda trace: f"failed: {trace.error_code}"
    answered = listed.filter(status=QueryTrace.Status.SUCCEEDED)
    far = answered.filter(similarity_avg__isnull=False, abstained=False).order_by("similarity_avg")
    yield "least_similar", far, lambda trace: f"average similarity {trace.similarity_avg:.2f}"
    slow = answered.filter(duration_ms__isnull=False).order_by(F("duration_ms").desc())
    yield "slowest", slow, lambda trace: f"took {(trace.duration_ms or 0.0) / 1000:.1f} s"


def _reason(feedback: Feedback) -> str:
    words = REASONS.get(feedback.reason, "")
    return f"thumbs down: {words[:1].lower()}{words[1:]}" if words else "thumbs down"


def _finding(trace: QueryTrace, kind: str, why: str) -> dict[str, Any]:
    return {
        "answer_id": str(trace.pk),
        "question": _shortened(trace.question),
        "kind": kind,
        "why": why,
        "asked_at": trace.created_at.isoformat(),
        "is_simulated": trace.is_simulated,
    }


def _gaps(traces: QuerySet[QueryTrace]) -> list[dict[str, Any]]:
    """Questions that the documents held no answer to, the most frequent first."""
    unanswered = traces.filter(abstained=True).order_by("-created_at")
    rows = list(unanswered.values_list("question", "id")[:MOST_UNANSWERED])
    counts = Counter(_same(question) for question, _ in rows)
    newest = {_same(question): (question, answer_id) for question, answer_id in reversed(rows)}
    return [
        {
            "question": _shortened(newest[same][0]),
            "times": times,
            "answer_id": str(newest[same][1]),
        }
        for same, times in counts.most_common(MOST_GAPS)
    ]


def _same(question: str) -> str:
    return " ".join(question.casefold().split()).rstrip("?!. ")


def _shortened(question: str) -> str:
    one_line = " ".join(question.split())
    return one_line if len(one_line) <= LONGEST_QUESTION else f"{one_line[:LONGEST_QUESTION]}…"
