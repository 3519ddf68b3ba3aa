"""The page where people ask. The answer itself comes from the stream, not from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from ragadmin.errors import NotFound
from retrieval.models import Document
from retrieval.services.feedback import REASONS
from retrieval.suggestions import suggest_questions
from retrieval.trace_view import TraceView, conversation_turns, recent_conversations, view_traces
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from django.http import HttpResponse


@require_safe
@ensure_csrf_cookie
@tenant_page()
def show_playground(request: TenantHttpRequest, slug: str) -> HttpResponse:
    conversation_id = _read_uuid(request.GET.get("conversation", ""))
    turns = _turns(request, conversation_id) if conversation_id else []
    context = {
        "conversation_id": conversation_id,
        "conversations": recent_conversations(request.user.pk),
        "turns": [_as_json(turn) for turn in turns],
        "suggestions": [] if turns else suggest_questions(request.access_levels),
        "has_documents": _has_ready_document(request),
        "reasons": REASONS,
        "can_edit": has_role(request.role, "admin"),
    }
    return render(request, "retrieval/playground.html", context)


def _turns(request: TenantHttpRequest, conversation_id: UUID) -> list[TraceView]:
    turns = conversation_turns(conversation_id, request.user.pk)
    if not turns:
        raise NotFound("There is no such conversation, or it is somebody else's.")
    return view_traces(turns, request.access_levels)


def _has_ready_document(request: TenantHttpRequest) -> bool:
    ready = Document.objects.filter(status=Document.Status.READY)
    return ready.filter(access_level__in=request.access_levels).exists()


def _as_json(view: TraceView) -> dict[str, Any]:
    """A turn with the keys of the stream's `done`, so that the page shows both the same way."""
    trace = view.trace
    feedback = getattr(trace, "feedback", None)
    return {
        "id": str(trace.id),
        "question": trace.question,
        "answer": view.answer,
        "withheld": view.withheld,
        "citations": view.citations,
        "status": trace.status,
        "error": trace.error_message,
        "model": trace.model,
        "tier": trace.tier,
        "route_reason": trace.route_reason,
        "cache": trace.cache,
        "usage": {"input_tokens": trace.input_tokens, "output_tokens": trace.output_tokens},
        "cost_usd": trace.cost_usd,
        "duration_ms": trace.duration_ms,
        "first_token_ms": trace.first_token_ms,
        "rating": feedback.rating if feedback else "",
    }


def _read_uuid(value: str) -> UUID | None:
    if not value:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise NotFound("There is no such conversation.") from None
