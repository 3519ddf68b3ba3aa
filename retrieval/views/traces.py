"""What was asked and how it was answered: the list, and one trace with its spans and hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ragadmin.errors import NotFound
from retrieval.forms import TraceFilter
from retrieval.services.feedback import REASONS
from retrieval.trace_view import traces_for, view_trace
from retrieval.types import COST_COMPONENTS
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpResponse

    from retrieval.models import QueryTrace

ON_A_PAGE = 25


@require_safe
@tenant_page()
def list_traces(request: TenantHttpRequest, slug: str) -> HttpResponse:
    filters = TraceFilter(request.GET)
    visible = visible_traces(request)
    found = filters.apply(visible).defer("answer", "citations", "hits", "spans")
    context = {
        "filters": filters,
        "page": Paginator(found.order_by("-created_at", "id"), ON_A_PAGE).get_page(
            request.GET.get("page")
        ),
        "is_unused": not filters.is_used and not visible.exists(),
        "sees_everybody": has_role(request.role, "admin"),
    }
    return render_page_or_part(
        request,
        "retrieval/traces.html",
        part="retrieval/_traces.html",
        target="traces",
        context=context,
    )


@require_safe
@tenant_page()
def show_trace(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    trace = find_trace(request, trace_id)
    context = {
        "trace": trace,
        "view": view_trace(trace, request.access_levels),
        "feedback": getattr(trace, "feedback", None),
        "reasons": REASONS,
        "bars": _waterfall(trace),
        "costs": [(name.replace("_", " "), trace.cost_usd.get(name)) for name in COST_COMPONENTS],
    }
    return render(request, "retrieval/trace.html", context)


def visible_traces(request: TenantHttpRequest) -> QuerySet[QueryTrace]:
    return traces_for(user_id=request.user.pk, sees_everybody=has_role(request.role, "admin"))


def find_trace(request: TenantHttpRequest, trace_id: UUID) -> QueryTrace:
    trace = visible_traces(request).filter(id=trace_id).first()
    if trace is None:
        raise NotFound("There is no such trace, or it is somebody else's.")
    return trace


def _waterfall(trace: QueryTrace) -> list[dict[str, Any]]:
    """Each span as a bar on a scale of 0 to 100, at least half a unit wide so that it can be seen."""
    spans = sorted(trace.spans, key=lambda span: span["start_ms"])
    ends = [span["start_ms"] + span["duration_ms"] for span in spans]
    whole = max([trace.duration_ms or 0.0, *ends], default=0.0) or 1.0
    known = {"kind", "start_ms", "duration_ms"}
    return [
        {
            "kind": span["kind"],
            "start": min(100 * span["start_ms"] / whole, 99.5),
            "width": max(100 * span["duration_ms"] / whole, 0.5),
            "start_ms": span["start_ms"],
            "duration_ms": span["duration_ms"],
            "details": {name: value for name, value in span.items() if name not in known},
        }
        for span in spans
    ]
