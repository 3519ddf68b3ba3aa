"""The reader's saved views of the list of traces: a fragment of that page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from monitoring.saved_views import Shelf, delete_view, list_views, rename_view, save_view
from ragadmin.errors import InvalidRequest, RagadminError
from retrieval.trace_filter import TraceFilter
from tenants.access import TenantHttpRequest, has_role, tenant_page

if TYPE_CHECKING:
    from django.http import HttpResponse

PAGE = "traces"
DONE = {"save": "Saved.", "rename": "Renamed.", "delete": "Deleted."}


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page()
def saved_views(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Without htmx it leads to the page that it is part of."""
    shelf = Shelf(request.tenant.pk, request.user.pk, PAGE)
    said, error = "", ""
    if request.method == "POST":
        try:
            said = _change(request, shelf)
        except RagadminError as refused:
            error = refused.message
    if not request.htmx:
        return redirect(PAGE, slug)
    context = {
        "views": list_views(shelf),
        "said": said,
        "error": error,
        "name": request.POST.get("name", "") if error else "",
    }
    return render(request, "monitoring/_saved_views.html", context)


def _change(request: TenantHttpRequest, shelf: Shelf) -> str:
    action, name = request.POST.get("action", ""), request.POST.get("name", "")
    if action == "save":
        save_view(shelf, name, _filters(request).query)
    elif action == "rename":
        rename_view(shelf, _view_id(request), name)
    elif action == "delete":
        delete_view(shelf, _view_id(request))
    else:
        raise InvalidRequest("A view is saved, renamed or deleted.")
    return DONE[action]


def _filters(request: TenantHttpRequest) -> TraceFilter:
    return TraceFilter(
        request.POST,
        timezone=request.tenant.timezone,
        sees_everybody=has_role(request.role, "admin"),
    )


def _view_id(request: TenantHttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("view", ""))
    except ValueError:
        raise InvalidRequest("There is no such view.") from None
