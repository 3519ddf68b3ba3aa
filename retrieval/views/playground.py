"""The page where people ask. The answer itself comes from the stream, not from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from ragadmin.errors import NotFound
from retrieval.answer_words import AnswerWords, describe
from retrieval.asked_for import asked_again, say_options
from retrieval.conversations import MOST_LISTED, delete_conversation, list_by_day, list_turns
from retrieval.corrections import find_corrections
from retrieval.models import Document
from retrieval.query.request import LONGEST_QUESTION
from retrieval.services.feedback import REASONS
from retrieval.suggestions import suggest_questions
from retrieval.trace_view import view_trace, view_traces
from retrieval.views.traces import find_trace, visible_traces
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from django.http import HttpResponse


@require_safe
@ensure_csrf_cookie
@tenant_page()
def show_playground(request: TenantHttpRequest, slug: str) -> HttpResponse:
    conversation_id = read_uuid(request.GET.get("conversation", ""))
    turns = _turns(request, conversation_id) if conversation_id else []
    question, options = _to_ask(request)
    context = {
        **_conversations(request, conversation_id),
        "turns": turns,
        "turns_json": [_as_json(turn) for turn in turns],
        "suggestions": [] if turns else suggest_questions(request.access_levels),
        "has_documents": has_ready_document(request),
        "reasons": REASONS,
        "question": question,
        "options": options,
        "asked_for": say_options(options),
        "plainly": urlencode(
            {"conversation": conversation_id} if conversation_id else {"question": question}
        ),
        "can_edit": has_role(request.role, "admin"),
        "corrections": find_corrections(
            request.user.email, visible_traces(request), request.access_levels
        ),
    }
    return render(request, "retrieval/playground.html", context)


@require_safe
@tenant_page()
def list_conversations(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """The list beside the turns, after a conversation was begun."""
    open_id = read_uuid(request.GET.get("conversation", ""))
    return render(request, "retrieval/_conversations.html", _conversations(request, open_id))


@require_POST
@tenant_page()
def delete(request: TenantHttpRequest, slug: str, conversation_id: UUID) -> HttpResponse:
    delete_conversation(conversation_id, request.user.pk)
    open_id = read_uuid(request.POST.get("open", ""))
    if request.htmx and open_id != conversation_id:
        return render(request, "retrieval/_conversations.html", _conversations(request, open_id))
    messages.success(request, "The conversation is deleted.")
    if request.htmx:
        return HttpResponseClientRedirect(reverse("playground", args=[slug]))
    return redirect("playground", slug)


def _to_ask(request: TenantHttpRequest) -> tuple[str, dict[str, Any]]:
    """Of a link, there to be asked and not asked already: the question of a trace, `again`, with all
    that it was asked with; or any."""
    trace_id = read_uuid(request.GET.get("again", ""))
    if trace_id is None:
        return request.GET.get("question", "")[:LONGEST_QUESTION], {}
    trace = find_trace(request, trace_id)
    view = view_trace(trace, request.access_levels)
    options = asked_again(trace, may_tune=has_role(request.role, "admin"))
    question = "" if "conversation" in request.GET else view.searched_for or trace.question
    return question, options


def _conversations(request: TenantHttpRequest, open_id: UUID | None) -> dict[str, Any]:
    days = list_by_day(request.user.pk, request.tenant.timezone)
    listed = sum(len(rows) for _, rows in days)
    return {"days": days, "has_older": listed == MOST_LISTED, "conversation_id": open_id}


def _turns(request: TenantHttpRequest, conversation_id: UUID) -> list[AnswerWords]:
    turns = list_turns(conversation_id, request.user.pk)
    return describe(
        view_traces(turns, request.access_levels),
        visible=visible_traces(request),
    )


def has_ready_document(request: TenantHttpRequest) -> bool:
    ready = Document.objects.filter(status=Document.Status.READY)
    return ready.filter(access_level__in=request.access_levels).exists()


def _as_json(turn: AnswerWords) -> dict[str, Any]:
    """What the page makes nodes of: the text and its citations. The rest comes as HTML."""
    trace = turn.trace
    return {
        "id": str(trace.id),
        "answer": turn.view.answer,
        "withheld": turn.view.withheld,
        "citations": turn.view.citations,
        "abstained": trace.abstained,
        "status": trace.status,
        "error": trace.error_message,
    }


def read_uuid(value: str) -> UUID | None:
    if not value:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise NotFound("There is no such conversation.") from None
