"""The retrieval bench: what a question finds with these settings, by the very path of the answers."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from ragadmin.errors import NotFound
from retrieval.knobs import ANSWERS, RETRIEVAL, KnobForm, as_update
from retrieval.sync_selectors import visible_sources
from retrieval.views.playground import has_ready_document
from tenants.access import TenantHttpRequest, tenant_config, tenant_page
from tenants.configure import update_tenant

# Where settings are saved from: their titles, and what stands before their names.
PLACES = {
    "bench": (RETRIEVAL, None),
    "left": (RETRIEVAL | ANSWERS, "left"),
    "right": (RETRIEVAL | ANSWERS, "right"),
}


@require_safe
@ensure_csrf_cookie
@tenant_page("admin")
def show_bench(request: TenantHttpRequest, slug: str) -> HttpResponse:
    config = tenant_config(request.tenant)
    context = {
        "form": KnobForm(config=config, groups=RETRIEVAL, address=request.GET),
        "question": request.GET.get("q", "")[:8000],
        "chosen": {name: request.GET.get(name, "")[:500] for name in ("source", "path", "level")},
        "sources": visible_sources(request.access_levels).order_by("name"),
        "levels": _levels(request),
        "has_documents": has_ready_document(request),
        "reranker": getattr(settings, "RERANKER", "") not in ("", "none"),
    }
    return render(request, "retrieval/bench.html", context)


@require_POST
@tenant_page("admin")
def save_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Asks first, with what would change; saves what was agreed to."""
    place = request.POST.get("place", "")
    if place not in PLACES:
        raise NotFound("Settings are not saved from there.")
    groups, prefix = PLACES[place]
    config = tenant_config(request.tenant)
    form = KnobForm(request.POST, config=config, groups=groups, prefix=prefix)
    if form.is_valid() and form.changes() and "agreed" in request.POST:
        return _save(request, form, place)
    changes = form.say_changes() if form.is_valid() else []
    context = {"form": form, "place": place, "changes": changes}
    return render(request, "retrieval/_save_settings.html", context)


def _save(request: TenantHttpRequest, form: KnobForm, place: str) -> HttpResponse:
    update_tenant(tenant=request.tenant, actor=request.user, **as_update(form.changes()))
    toast = {"message": "Saved. It is in force within two seconds.", "level": "success"}
    response = HttpResponse()
    trigger_client_event(response, "toast", toast)
    return trigger_client_event(response, "settings-saved", {"place": place})


def _levels(request: TenantHttpRequest) -> list[str]:
    return [level for level in request.tenant.access_levels if level in request.access_levels]
