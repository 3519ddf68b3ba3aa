"""One action on the documents that were selected in the list, or on one from its own page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from retrieval.document_list import count_documents
from retrieval.services.bulk import SECONDS, Action, Selection, change_documents, weigh
from retrieval.views.documents import CHANGED, read_filter
from retrieval.views.fragments import render_page_or_part
from tenants.access import TenantHttpRequest, tenant_page
from tenants.context import tenant_context

if TYPE_CHECKING:
    from retrieval.services.bulk import Outcome, Weight

NOTHING = "Nothing is selected: tick the documents first."
DONE = {
    Action.RETRY: "{} will be indexed again.",
    Action.DELETE: "{} deleted.",
    Action.SET_ACCESS_LEVEL: "{} moved to {}.",
}
# So many of the documents in question are named.
NAMED = 5


@require_POST
@tenant_page(role="admin", in_force=False)
def change_many(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Asks first, unless it is a retry. Works on for a while, then asks whether to go on."""
    try:
        action = Action(request.POST.get("action", ""))
        selection = _read_selection(request)
        access_level = _read_level(request, action)
    except ValueError:
        return _answer(request, slug, NOTHING, "error")
    with tenant_context(request.tenant):
        weight = weigh(selection, action, access_level)
        context = _context(request, action, selection, access_level, weight)
    if action is not Action.RETRY and "confirmed" not in request.POST:
        return render_page_or_part(
            request,
            "retrieval/change_documents.html",
            part="retrieval/_change_documents.html",
            target="dialog",
            context=context,
        )
    outcome = change_documents(
        action,
        tenant=request.tenant,
        selection=selection,
        actor=request.user,
        access_level=access_level,
        seconds=SECONDS,
    )
    if outcome.left and outcome.done:
        return render(
            request,
            "retrieval/change_documents.html",
            context | {"done": outcome.done, "left": outcome.left},
        )
    return _answer(request, slug, *_tell(action, outcome, access_level))


def _read_selection(request: TenantHttpRequest) -> Selection:
    """Raises ValueError when nothing is selected."""
    if request.POST.get("everything"):
        with tenant_context(request.tenant):
            filters = read_filter(request, count_documents(request.access_levels))
            return Selection(request.access_levels, None, filters.wanted())
    ids = [UUID(value) for value in request.POST.getlist("id")]
    if not ids:
        raise ValueError(NOTHING)
    return Selection(request.access_levels, ids)


def _read_level(request: TenantHttpRequest, action: Action) -> str:
    """Raises ValueError."""
    if action is not Action.SET_ACCESS_LEVEL:
        return ""
    level = request.POST.get("access_level", "")
    if level not in request.access_levels:
        raise ValueError(level)
    return level


def _context(
    request: TenantHttpRequest,
    action: Action,
    selection: Selection,
    access_level: str,
    weight: Weight,
) -> dict[str, object]:
    named = selection.documents().values_list("path", flat=True)
    return {
        "action": action.value,
        "access_level": access_level,
        "ids": selection.ids,
        "weight": weight,
        "paths": list(named[:NAMED]) if weight.documents <= NAMED else [],
        "query": request.GET.urlencode(),
        "back": _back(request, request.tenant.slug),
        "returns_to": request.POST.get("returns_to", ""),
    }


def _tell(action: Action, outcome: Outcome, access_level: str) -> tuple[str, str]:
    refused = outcome.refused_count
    if not outcome.done:
        why = outcome.refused[0].message if outcome.refused else "No document needed it."
        return f"Nothing was changed. {why}", "warning"
    some = f"{outcome.done:,} document{pluralize(outcome.done, ' was,s were')}"
    if action is Action.RETRY:
        some = f"{outcome.done:,} document{pluralize(outcome.done)}"
    text = DONE[action].format(some, access_level)
    if action is Action.DELETE and refused:
        text += f" {refused:,} from a source stayed."
    return text, "success"


def _answer(request: TenantHttpRequest, slug: str, message: str, level: str) -> HttpResponse:
    if request.htmx and "confirmed" not in request.POST:
        toast = {"message": message, "level": level}
        response = trigger_client_event(HttpResponse(status=204), "toast", toast)
        return trigger_client_event(response, CHANGED)
    messages.add_message(request, messages.DEFAULT_LEVELS[level.upper()], message)
    address = _back(request, slug)
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _back(request: TenantHttpRequest, slug: str) -> str:
    """Where the action was asked for: a document's own page, or the list as it was filtered."""
    try:
        document_id = UUID(request.POST.get("returns_to", ""))
    except ValueError:
        query = request.GET.urlencode()
        return reverse("documents", args=[slug]) + (f"?{query}" if query else "")
    return reverse("document", args=[slug, document_id])
