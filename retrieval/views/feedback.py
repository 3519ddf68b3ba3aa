"""Thumbs up and down on an answer, from the playground and from the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from ragadmin.errors import InvalidRequest
from retrieval.models import Feedback
from retrieval.services.feedback import REASONS, rate_answer
from retrieval.views.traces import find_trace
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse


@require_POST
@tenant_page()
def rate(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    find_trace(request, trace_id)
    feedback, error = None, ""
    try:
        feedback = _save(request, trace_id)
    except InvalidRequest as refused:
        error = refused.message
    if not request.htmx:
        (messages.error if error else messages.success)(request, error or "Your rating is saved.")
        return redirect("trace", slug, trace_id)
    context = {
        "trace_id": trace_id,
        "feedback": feedback or Feedback.objects.filter(trace_id=trace_id).first(),
        "error": error,
        "reasons": REASONS,
        "asks_why": "rating" in request.POST,
        "answered": True,
    }
    return render(request, "retrieval/_feedback.html", context)


def _save(request: TenantHttpRequest, trace_id: UUID) -> Feedback:
    # A thumb sends `rating`; the button under the comment sends the rating it belongs to as `save`.
    rating = request.POST.get("rating") or request.POST.get("save", "")
    reason, comment = request.POST.get("reason", ""), request.POST.get("comment", "")
    before = Feedback.objects.filter(trace_id=trace_id, rating=rating).first()
    if before and "comment" not in request.POST:
        # The same thumb again, from a page that shows no comment, must not wipe it out.
        reason, comment = before.reason, before.comment
    return rate_answer(
        trace_id=trace_id,
        rating=rating,
        # The reasons are reasons for a thumbs down: one left over in the form says nothing.
        reason=reason if rating == Feedback.Rating.DOWN else "",
        comment=comment,
        rated_by=request.user.email,
    )
