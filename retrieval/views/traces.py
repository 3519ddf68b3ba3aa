"""What was asked and how it was answered: the list, and one trace with its spans and hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import replace_url

from ragadmin.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from retrieval.answer_words import (
    describe,
    dropped_rows,
    hit_rows,
    prompt_words,
    route_facts,
    shadow_of,
)
from retrieval.asked_for import say_options
from retrieval.cost_words import call_rows, cost_rows, saved_rows
from retrieval.services.feedback import REASONS
from retrieval.services.golden_trace import make_golden_of
from retrieval.trace_filter import TraceFilter
from retrieval.trace_list import (
    CURSORS,
    LISTED,
    neighbours,
    offered_values,
    read_figures,
    read_newest,
    read_page,
)
from retrieval.trace_view import traces_for, view_trace
from retrieval.views.fragments import render_page_or_part
from retrieval.waterfall import waterfall
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
        "prompt_words": prompt_words(context["view"]),
        "can_edit": has_role(request.role, "admin"),
        "asked_for": say_options(trace.asked),
        "on_bench": urlencode({"q": context["view"].searched_for or trace.question}),
        **_beside(request, trace),
        **route_facts(trace),
    }
    return render(request, "retrieval/trace.html", {**context, **own_page})


@require_POST
@tenant_page(role="admin")
def add_golden(request: TenantHttpRequest, slug: str, trace_id: UUID) -> HttpResponse:
    trace = find_trace(request, trace_id)
    try:
        make_golden_of(trace, by=request.user.email, allowed_levels=request.access_levels)
    except Conflict:
        messages.info(request, "It is a golden question already.")
    except (InvalidRequest, PermissionDenied) as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "It is a golden question now: each evaluation asks it.")
    return redirect("trace", slug, trace_id)


def _beside(request: TenantHttpRequest, trace: QueryTrace) -> dict[str, Any]:
    """The list that the reader comes from, and the traces next to this one in it."""
    filters = read_filter(request)
    newer, older = neighbours(filters.apply(visible_traces(request)), trace)
    return {"filters": filters, "newer": newer, "older": older}


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
        "bars": waterfall(trace),
        "costs": cost_rows(trace),
        "saved": saved_rows(trace),
        "hits": hit_rows(words["view"]),
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
