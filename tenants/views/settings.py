"""A tenant's own settings: its name and levels, and how it searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from ragadmin.env import without_secrets
from ragadmin.errors import RagadminError
from ragadmin.forms import add_error
from tenants.access import TenantHttpRequest, tenant_page
from tenants.configure import update_tenant
from tenants.query_forms import SEARCH
from tenants.tenant_forms import SettingsForm, time_zones
from tenants.views.answers import go_to
from tenants.views.query_settings import edit_query_settings, say_saved

if TYPE_CHECKING:
    from django.http import HttpResponse


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def tenant_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    form = (
        SettingsForm(request.POST) if request.method == "POST" else SettingsForm.of(request.tenant)
    )
    if form.is_bound and form.is_valid() and _save(request, form):
        return go_to(request, "tenant-settings", slug)
    context = {"form": form, "section": "general", "zones": time_zones()}
    return render(request, "tenants/settings.html", context)


def _save(request: TenantHttpRequest, form: SettingsForm) -> bool:
    before = SettingsForm.values_of(request.tenant)
    try:
        row = update_tenant(tenant=request.tenant, actor=request.user, **form.cleaned_data)
    except RagadminError as error:
        add_error(form, error)
        return False
    say_saved(request, form.say_changes(before, SettingsForm.values_of(row)))
    return True


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def search_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    return edit_query_settings(
        request,
        page="settings-search",
        template="tenants/settings_search.html",
        groups=SEARCH,
        context={"section": "search", "reranker": without_secrets(settings.RERANKER)},
    )
