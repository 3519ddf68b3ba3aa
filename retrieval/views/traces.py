"""What was asked and how it was answered: the list, and one trace with its spans and hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe
from django_htmx.http import replace_url

from ragadmin.errors import InvalidRequest, NotFound
from retrieval.answer_words import (
    call_rows,
    cost_rows,
    describe,
    dropped_rows,
    route_facts,
    saved_rows,
    shadow_of,
)
from retrieval.services.feedback import REASONS
from retrieval.trace_filter import TraceFilter
from retrieval.trace_list import (
    CURSORS,
    LISTED,
    offered_values,
    read_figures,
    read_newest,
    read_page,
)
from retrieval.trace_view import traces_for, view_trace
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpResponse

    from retrieval.models import QueryTrace
    from retrieval.trace_list import TraceFigures, TracePage


@require_safe
@tenant_page()
def list_traces(request: TenantHttpRequest, slug: str) -> HttpResponse:
    filters = read_filter(request)
    visible = visible_traces(request)
    figures, page, lost = _list(request, filters.apply(visible))
    context = {
        "filters": filters,
        "figures": figures,
        "page": page,
        "is_lost": lost,
        "is_unused": not filters.is_used and not page.traces,
        "sees_everybody": has_role(request.role, "admin"),
        "offered": offered_values(visible),
    }
    response = render_page_or_part(
        request,
        "retrieval/traces.html",
        part="retrieval/_traces.html",
        target="traces",
        context=context,
    )
    return replace_url(response, _address(request, filters)) if request.htmx else response


def _address(request: TenantHttpRequest, filters: TraceFilter) -> str:
    """Of what is shown, without the fields that are empty."""
    place = {name: request.GET[name] for name in CURSORS if name in request.GET}
    query = "&".join(filter(None, (filters.query, urlencode(place))))
    return f"{request.path}?{query}" if query else request.path


def read_filter(request: TenantHttpRequest) -> TraceFilter:
    return TraceFilter(
        request.GET,
        timezone=request.tenant.timezone,
        sees_everybody=has_role(request.role, "admin"),
    )


def _list(
    request: TenantHttpRequest, found: QuerySet[QueryTrace]
) -> tuple[TraceFigures, TracePage, str]:
    """And what was wrong with the page that was asked for: the first is shown then."""
    figures, newest = read_figures(found)
    if not CURSORS & request.GET.keys():
        return figures, read_newest(found, newest), ""
    try:
        return figures, read_page(found.only(*LISTED), request.GET), ""
    except InvalidRequest as error:
        return figures, read_newest(found, newest), error.message


@require_safe
@tenant_page()
def show_trace(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    context = _whole(request, trace_id)
    trace = context["trace"]
    own_page = {
        "calls": call_rows(trace),
        "shadow": shadow_of(context["view"], request.access_levels),
        **route_facts(trace),
    }
    return render(request, "retrieval/trace.html", {**context, **own_page})


@require_safe
@tenant_page()
def show_turn(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    """What stands under an answer in the playground, once it is recorded."""
    return render(
        request, "retrieval/_turn_end.html", _words(request, find_trace(request, trace_id))
    )


@require_safe
@tenant_page()
def show_details(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    """Costs, times and passages, for the details of a turn when they are opened."""
    return render(request, "retrieval/_turn_details.html", _whole(request, trace_id))


def _words(request: TenantHttpRequest, trace: QueryTrace) -> dict[str, Any]:
    (turn,) = describe([view_trace(trace, request.access_levels)], visible=visible_traces(request))
    return {
        "turn": turn,
        "trace": trace,
        "view": turn.view,
        "origin": turn.origin,
        "feedback": getattr(trace, "feedback", None),
        "reasons": REASONS,
    }


def _whole(request: TenantHttpRequest, trace_id: UUID) -> dict[str, Any]:
    trace = find_trace(request, trace_id)
    words = _words(request, trace)
    return {
        **words,
        "bars": _waterfall(trace),
        "costs": cost_rows(trace),
        "saved": saved_rows(trace),
        "dropped": dropped_rows(words["view"]),
    }


def visible_traces(request: TenantHttpRequest) -> QuerySet[QueryTrace]:
    return traces_for(user_id=request.user.pk, sees_everybody=has_role(request.role, "admin"))


def find_trace(request: TenantHttpRequest, trace_id: UUID) -> QueryTrace:
    visible = visible_traces(request).select_related("feedback").defer(None)
    trace = visible.filter(id=trace_id).first()
    if trace is None:
        raise NotFound("There is no such trace, or it is somebody else's.")
    return trace


def _waterfall(trace: QueryTrace) -> list[dict[str, Any]]:
    """Each span as a bar on a scale of 0 to 100, at least half a unit wide so that it can be seen."""
    spans = sorted(trace.spans, key=lambda span: span["start_ms"])
    ends = [span["start_ms"] + span["duration_ms"] for span in spans]
    whole = max([trace.duration_ms or 0.0, *ends], default=0.0) or 1.0
    known = {"kind", "what", "start_ms", "duration_ms"}
    return [
        {
            "kind": span["kind"],
            "label": f"{span['kind']} {span.get('what', '').replace('_', ' ')}".strip(),
            "start": min(100 * span["start_ms"] / whole, 99.5),
            "width": max(100 * span["duration_ms"] / whole, 0.5),
            "start_ms": span["start_ms"],
            "duration_ms": span["duration_ms"],
            "details": [
                (name.replace("_", " "), _plain(value))
                for name, value in span.items()
                if name not in known
            ],
        }
        for span in spans
    ]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
