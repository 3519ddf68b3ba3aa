"""API keys of a tenant: listed, made, revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ragadmin.errors import NotFound, RagadminError
from ragadmin.forms import add_error
from tenants.access import TenantHttpRequest, tenant_page
from tenants.grants import granter_of_request
from tenants.keys import issue_key, revoke_api_key
from tenants.models import ApiKey
from tenants.tenant_forms import KeyForm
from tenants.views.answers import go_to

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpResponse


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def keys(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Answers a POST with the page itself: the key is in this one response and kept nowhere."""
    form = KeyForm(request.POST or None, levels=request.access_levels)
    new_key = ""
    if request.method == "POST" and form.is_valid():
        new_key = _create(request, form)
    context = {
        "form": KeyForm(levels=request.access_levels) if new_key else form,
        "new_key": new_key,
        "keys": ApiKey.objects.filter(tenant=request.tenant)
        .select_related("created_by")
        .order_by("revoked_at", "-created_at"),
        "base_url": request.build_absolute_uri("/v1"),
    }
    return render(request, "tenants/keys.html", context)


def _create(request: TenantHttpRequest, form: KeyForm) -> str:
    try:
        _, key = issue_key(
            tenant=request.tenant, **form.cleaned_data, granter=granter_of_request(request)
        )
    except RagadminError as error:
        add_error(form, error)
        return ""
    return key


@require_POST
@tenant_page("admin")
def revoke_key(request: TenantHttpRequest, slug: str, key_id: UUID) -> HttpResponse:
    row = ApiKey.objects.filter(tenant=request.tenant, pk=key_id).first()
    if row is None:
        raise NotFound("The tenant has no key with this id.")
    revoke_api_key(row, actor=request.user)
    messages.success(request, f"The key {row.name} is revoked.")
    return go_to(request, "keys", slug)
