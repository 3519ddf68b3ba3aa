"""A tenant's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from ragadmin.errors import RagadminError
from tenants.access import TenantHttpRequest, tenant_page
from tenants.configure import update_tenant
from tenants.tenant_forms import SettingsForm, explain
from tenants.views.answers import go_to

if TYPE_CHECKING:
    from django.http import HttpResponse


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def tenant_settings(request: TenantHttpRequest, slug: str) -> HttpResponse:
    form = (
        SettingsForm(request.POST) if request.method == "POST" else SettingsForm.of(request.tenant)
    )
    if form.is_bound and form.is_valid() and _save(request, form):
        messages.success(request, "The settings are saved. They take effect within two seconds.")
        return go_to(request, "tenant-settings", slug)
    return render(request, "tenants/settings.html", {"form": form})


def _save(request: TenantHttpRequest, form: SettingsForm) -> bool:
    try:
        update_tenant(tenant=request.tenant, actor=request.user, **form.cleaned_data)
    except RagadminError as error:
        explain(form, error)
        return False
    return True
