"""A tenant's first page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from retrieval.corrections import find_corrections
from retrieval.overview import QUESTIONS_SHOWN, count_activity, count_corpus, first_steps
from retrieval.trace_view import traces_for
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from django.http import HttpResponse

# Answers, hits and spans are long and not on this page.
SHOWN_FIELDS = ("question", "asked_by", "status", "duration_ms", "created_at", "rating")


@require_safe
@tenant_page()
def overview(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """A member sees their own questions, an admin everybody's."""
    can_edit = has_role(request.role, "admin")
    traces = traces_for(user_id=request.user.pk, sees_everybody=can_edit)
    corpus = count_corpus(request.access_levels)
    activity = count_activity(traces)
    context = {
        "can_edit": can_edit,
        "corpus": corpus,
        "activity": activity,
        "steps": first_steps(corpus, activity, tenant_id=request.tenant.pk, can_edit=can_edit),
        "questions": traces.order_by("-created_at").only(*SHOWN_FIELDS)[:QUESTIONS_SHOWN],
        "corrections": find_corrections(request.user.email, traces, request.access_levels),
    }
    return render(request, "retrieval/overview.html", context)
