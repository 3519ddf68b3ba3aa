"""A person's own conversations: listed by day, opened again, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.utils import timezone

from ragadmin.errors import NotFound
from retrieval.models import Conversation, QueryTrace

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

MOST_LISTED = 40
MOST_TURNS = 50


@dataclass(frozen=True, slots=True)
class ConversationRow:
    id: UUID
    question: str
    turns: int
    began_at: datetime


def list_by_day(user_id: int, time_zone: str) -> list[tuple[str, list[ConversationRow]]]:
    """The newest, each under the question it began with, by the days of the tenant's time."""
    zone = ZoneInfo(time_zone)
    today = timezone.now().astimezone(zone).date()
    by_day = groupby(_recent(user_id), lambda row: row.began_at.astimezone(zone).date())
    return [(_day_words(day, today), list(rows)) for day, rows in by_day]


def _recent(user_id: int) -> list[ConversationRow]:
    newest = Conversation.objects.filter(user_id=user_id).order_by("-created_at", "id")
    found = {row.pk: row for row in newest[:MOST_LISTED]}
    traces = QueryTrace.objects.filter(conversation_id__in=found)
    counts = dict(traces.values_list("conversation_id").annotate(Count("id")))
    first = traces.order_by("conversation_id", "created_at").distinct("conversation_id")
    questions = dict(first.values_list("conversation_id", "question"))
    return [
        ConversationRow(key, questions[key], counts[key], row.created_at)
        for key, row in found.items()
        if key in questions
    ]


def _day_words(day: date, today: date) -> str:
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return f"{day:%A}" if today - day < timedelta(days=7) else f"{day.day} {day:%B %Y}"


def list_turns(conversation_id: UUID, user_id: int) -> list[QueryTrace]:
    """Oldest first. Raises NotFound, also for somebody else's."""
    find_conversation(conversation_id, user_id)
    turns = QueryTrace.objects.filter(conversation_id=conversation_id, user_id=user_id)
    newest = (
        turns.select_related("feedback")
        .defer("prompt", "terms")
        .order_by("-created_at")[:MOST_TURNS]
    )
    return list(newest)[::-1]


def find_conversation(conversation_id: UUID, user_id: int) -> Conversation:
    found = Conversation.objects.filter(id=conversation_id, user_id=user_id).first()
    if found is None:
        raise NotFound("There is no such conversation, or it is somebody else's.")
    return found


def delete_conversation(conversation_id: UUID, user_id: int) -> None:
    """Its traces stay, for costs and reports, and belong to no conversation any more."""
    find_conversation(conversation_id, user_id).delete()
