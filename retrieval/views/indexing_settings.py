"""How a tenant's documents are indexed: another model or chunk size, and the way there.

A change is estimated first and begun by a second click. Models are asked outside transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from ragadmin.errors import Conflict, InvalidRequest
from ragadmin.forms import add_error
from retrieval.indexing import reindex
from retrieval.indexing.left import retry_failing, with_text
from retrieval.indexing.reindex_estimate import estimate
from retrieval.reindex_forms import MODELS_LIST, IndexingForm, offered_models
from retrieval.reindex_progress import reindex_progress
from retrieval.services.reindex import check_settings, start_reindex
from tenants.access import TenantHttpRequest, tenant_page
from tenants.context import tenant_context
from tenants.models import AuditEvent

if TYPE_CHECKING:
    from django.http import HttpResponse

PAGE = "indexing-settings"
EVENTS = ("tenant.reindexed", "tenant.reindex_cancelled")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@tenant_page("admin", in_force=False)
def show(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """The page, the state that it asks for again and again, or with POST what a change would take."""
    if request.htmx.target == "reindex":
        return _progress(request)
    form = (
        IndexingForm(request.POST) if request.method == "POST" else IndexingForm.of(request.tenant)
    )
    plan = _estimate(request, form) if form.is_bound and form.is_valid() else None
    return _page(request, form, plan)


@require_POST
@tenant_page("admin", in_force=False)
def start(request: TenantHttpRequest, slug: str) -> HttpResponse:
    form = IndexingForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    try:
        row = start_reindex(
            tenant=request.tenant,
            actor=request.user,
            hold=request.POST.get("hold") == "on",
            **form.cleaned_data,
        )
    except InvalidRequest as error:
        add_error(form, error)
        return _page(request, form)
    if row.next_generation:
        messages.success(request, "Re-indexing has begun. Questions are answered meanwhile.")
    else:
        messages.success(request, "The settings are saved. They take effect within two seconds.")
    return redirect(PAGE, slug)


@require_POST
@tenant_page("admin")
def cancel(request: TenantHttpRequest, slug: str) -> HttpResponse:
    try:
        reindex.cancel(request.tenant, request.user)
    except Conflict as error:
        messages.info(request, error.message)
    else:
        messages.success(request, "Cancelled: everything stays as it was.")
    return redirect(PAGE, slug)


@require_POST
@tenant_page("admin")
def hold(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """With `held` the new index waits when it is complete; without, it is switched to."""
    is_held = request.POST.get("held") == "on"
    try:
        has_switched = reindex.hold(request.tenant, request.user, is_held=is_held)
    except Conflict as error:
        messages.info(request, error.message)
    else:
        messages.success(request, _say_held(is_held, has_switched))
    return redirect(PAGE, slug)


def _say_held(is_held: bool, has_switched: bool) -> str:
    if is_held:
        return "The new index waits when it is complete."
    if has_switched:
        return "The new index is in use. It takes effect within two seconds."
    return "The new index takes over by itself when it is complete."


@require_POST
@tenant_page("admin")
def retry(request: TenantHttpRequest, slug: str) -> HttpResponse:
    if request.tenant.next_generation is None or not (count := retry_failing(request.tenant)):
        messages.info(request, "No document waits to be tried again.")
    else:
        messages.success(request, f"{count} documents are tried again.")
    return redirect(PAGE, slug)


@require_POST
@tenant_page("admin")
def switch(request: TenantHttpRequest, slug: str) -> HttpResponse:
    try:
        left_out = reindex.switch_without_failing(request.tenant, request.user)
    except Conflict as error:
        messages.error(request, error.message)
    else:
        messages.success(
            request,
            f"The new settings are in use. {left_out} documents failed and are not searched.",
        )
    return redirect(PAGE, slug)


def _estimate(request: TenantHttpRequest, form: IndexingForm) -> dict[str, Any] | None:
    try:
        wanted = check_settings(request.tenant, form.cleaned_data)
    except InvalidRequest as error:
        add_error(form, error)
        return None
    tenant = request.tenant
    if reindex.is_wanted(tenant, wanted):
        made = "already being made" if tenant.next_generation else "in use already"
        form.add_error(None, f"These settings are {made}: change one of them.")
        return None
    return {"wanted": wanted, "estimate": estimate(tenant, wanted)}


def _page(
    request: TenantHttpRequest, form: IndexingForm, plan: dict[str, Any] | None = None
) -> HttpResponse:
    tenant = request.tenant
    events = AuditEvent.objects.filter(tenant=tenant, action__in=EVENTS)
    with tenant_context(tenant):
        context = {
            "form": form,
            "models_list": MODELS_LIST,
            "models": offered_models(tenant),
            "plan": plan,
            "documents": with_text().count(),
            "last": events.order_by("-at", "-id").first(),
            **_state(request),
        }
        return render(request, "retrieval/indexing_settings.html", context)


def _progress(request: TenantHttpRequest) -> HttpResponse:
    """Asked every few seconds by a page that shows it; the page comes anew when it has ended."""
    if request.tenant.next_generation is None:
        return HttpResponseClientRefresh()
    with tenant_context(request.tenant):
        return render(request, "retrieval/_reindex.html", _state(request))


def _state(request: TenantHttpRequest) -> dict[str, Any]:
    if request.tenant.next_generation is None:
        return {"progress": None}
    return {"progress": reindex_progress(request.tenant, request.access_levels)}
