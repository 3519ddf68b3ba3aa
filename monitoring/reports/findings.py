"""What a tenant's own people should look at: the day's worst questions, and what no document answers.

Customer text: read from the tenant's tables when it is shown, and kept nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragadmin.errors import TenantNotSet
from retrieval.gaps import documents_to_write
from retrieval.models import Feedback, QueryTrace
from retrieval.services.feedback import REASONS
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

    from monitoring.reports.days import Day
    from retrieval.gaps import Gap

OF_EACH_KIND = 5
MOST_GAPS = 10
# What is nearer or faster is nothing to look at.
FAR, SLOW_MS = 0.4, 1_000
LONGEST_QUESTION = 300
LISTED = (
    "id", "question", "created_at", "error_code", "duration_ms", "similarity_avg", "is_simulated",
)  # fmt: skip


def read_findings(day: Day) -> dict[str, Any]:
    """Of a tenant's day, for readers who may see all its questions. No tenant may be in force.

    Raises SchemaMissing or TenantGone.
    """
    period, tenant = day.period, day.tenant
    if tenant is None:
        raise TenantNotSet("The fleet's report holds no questions.")
    with tenant_context(tenant):
        worst = _worst_questions(
            QueryTrace.objects.filter(created_at__gte=period.start, created_at__lt=period.end)
        )
    # It is mailed, to readers whose levels nobody knows.
    gaps = documents_to_write(
        tenant, start=period.start, end=period.end, limit=MOST_GAPS, levels=()
    )
    return {"worst_questions": worst, "gaps": [_gap(each) for each in gaps]}


def _worst_questions(traces: QuerySet[QueryTrace]) -> list[dict[str, Any]]:
    """Each once, under the worst that is to be said of it."""
    seen: set[str] = set()
    found = []
    for kind, rows, describe in _kinds(traces):
        for trace in rows[:OF_EACH_KIND]:
            if (same := trace.question.casefold()) not in seen:
                seen.add(same)
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
    far = answered.filter(similarity_avg__lt=FAR, abstained=False).order_by("similarity_avg")
    yield "least_similar", far, lambda trace: f"average similarity {trace.similarity_avg:.2f}"
    slow = answered.filter(duration_ms__gte=SLOW_MS).order_by("-duration_ms")
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


def _gap(gap: Gap) -> dict[str, Any]:
    """Questions that one document would answer; `question` stands for all of them."""
    return {
        "question": _shortened(gap.title),
        "times": gap.count,
        "answer_id": str(gap.trace_ids[0]),
        "is_simulated": gap.simulated == gap.count,
    }


def _shortened(question: str) -> str:
    one_line = " ".join(question.split())
    return one_line if len(one_line) <= LONGEST_QUESTION else f"{one_line[:LONGEST_QUESTION]}…"
