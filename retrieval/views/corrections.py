"""A corrected answer beside the one that was rated down, for the person who rated it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from retrieval.corrections import open_correction
from retrieval.services.feedback import REASONS
from retrieval.views.traces import visible_traces
from tenants.access import TenantHttpRequest, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse


@require_safe
@tenant_page()
def show_correction(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    """Its own rating is asked for: whether it is better is for the reader to say."""
    found = open_correction(
        trace_id, request.user.email, visible_traces(request), request.access_levels
    )
    new = found.new.trace
    context = {
        "correction": found,
        "old": found.old,
        "new": found.new,
        "trace": found.old.trace,
        "feedback": getattr(new, "feedback", None),
        "reasons": REASONS,
    }
    return render(request, "retrieval/correction.html", context)
