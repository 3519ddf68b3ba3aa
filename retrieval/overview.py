"""What a tenant has and how it is used, in few queries however much there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from retrieval.models import Document, Feedback, QueryTrace
from tenants.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTIONS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents that a person may read."""

    by_status: list[tuple[str, int]]
    documents: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What was asked and how it was rated."""

    last_day: int
    last_week: int
    ever: bool
    thumbs_up: int
    thumbs_down: int


@dataclass(frozen=True, slots=True)
class FirstStep:
    title: str
    text: str
    page: str
    done: bool


def count_corpus(access_levels: Sequence[str]) -> Corpus:
    rows = (
        Document.objects.filter(access_level__in=access_levels)
        .values("status")
        .annotate(documents=Count("id"), chunks=Sum("chunk_count"))
    )
    found = {row["status"]: row for row in rows}
    return Corpus(
        by_status=[
            (status, found[status]["documents"])
            for status in Document.Status.values
            if status in found
        ],
        documents=sum(row["documents"] for row in found.values()),
        chunks=sum(row["chunks"] for row in found.values()),
    )


def count_activity(traces: QuerySet[QueryTrace]) -> Activity:
    """Of the last days only, however many there were before."""
    now = timezone.now()
    counts = traces.filter(created_at__gte=now - timedelta(days=7)).aggregate(
        last_day=Count("id", filter=Q(created_at__gte=now - timedelta(days=1))),
        last_week=Count("id"),
        thumbs_up=Count("id", filter=Q(rating=Feedback.Rating.UP)),
        thumbs_down=Count("id", filter=Q(rating=Feedback.Rating.DOWN)),
    )
    return Activity(**counts, ever=traces.exists())


def first_steps(
    corpus: Corpus, activity: Activity, *, tenant_id: int, can_edit: bool
) -> list[FirstStep]:
    """What is left to do in a new tenant; nothing once all of it is done."""
    asked = FirstStep(
        "Ask a question",
        "In the playground, where every citation opens its passage.",
        "playground",
        activity.ever,
    )
    if not can_edit:
        return [] if asked.done else [asked]
    uploaded = FirstStep(
        "Upload documents",
        "PDF, Word, Markdown, HTML or text: searchable within seconds.",
        "documents",
        corpus.documents > 0,
    )
    has_key = ApiKey.objects.filter(tenant_id=tenant_id, revoked_at=None).exists()
    keyed = FirstStep(
        "Create an API key", "For any OpenAI client, or the documents API.", "keys", has_key
    )
    steps = [uploaded, asked, keyed]
    return [] if all(step.done for step in steps) else steps
