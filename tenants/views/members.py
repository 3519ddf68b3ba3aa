"""Members of a tenant: listed, invited, changed, removed."""

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
from tenants.members import change_member, invite_member, remove_member
from tenants.models import Membership
from tenants.tenant_forms import InviteForm, RoleForm
from tenants.views.answers import go_to

if TYPE_CHECKING:
    from django.http import HttpResponse


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def members(request: TenantHttpRequest, slug: str) -> HttpResponse:
    """Answers a POST with the page itself: an initial password is in this one response only."""
    form = InviteForm(request.POST or None, levels=request.access_levels)
    invited = password = None
    if request.method == "POST" and form.is_valid():
        invited, password = _invite(request, form)
    context = {
        "form": InviteForm(levels=request.access_levels) if invited else form,
        "invited": invited,
        "password": password,
        "members": Membership.objects.filter(tenant=request.tenant)
        .select_related("user")
        .order_by("user__email"),
        "sign_in_url": request.build_absolute_uri("/accounts/login/"),
    }
    return render(request, "tenants/members.html", context)


def _invite(request: TenantHttpRequest, form: InviteForm) -> tuple[Membership | None, str]:
    try:
        return invite_member(
            tenant=request.tenant, **form.cleaned_data, granter=granter_of_request(request)
        )
    except RagadminError as error:
        add_error(form, error)
        return None, ""


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_page("admin")
def member(request: TenantHttpRequest, slug: str, member_id: int) -> HttpResponse:
    found = _find(request, member_id)
    form = RoleForm(
        request.POST or None,
        levels=request.tenant.access_levels,
        initial={"role": found.role, "access_levels": found.access_levels},
    )
    if request.method == "POST" and form.is_valid() and _change(request, found, form):
        messages.success(request, f"{found.user.email} is now {form.cleaned_data['role']}.")
        return go_to(request, "members", slug)
    return render(request, "tenants/member.html", {"member": found, "form": form})


def _change(request: TenantHttpRequest, found: Membership, form: RoleForm) -> bool:
    try:
        change_member(member=found, **form.cleaned_data, granter=granter_of_request(request))
    except RagadminError as error:
        add_error(form, error)
        return False
    return True


@require_POST
@tenant_page("admin")
def remove(request: TenantHttpRequest, slug: str, member_id: int) -> HttpResponse:
    found = _find(request, member_id)
    try:
        remove_member(member=found, granter=granter_of_request(request))
    except RagadminError as error:
        messages.error(request, error.message)
        return go_to(request, "members", slug)
    messages.success(request, f"{found.user.email} is no longer a member.")
    if found.user == request.user and not request.user.is_operator:
        return go_to(request, "home")
    return go_to(request, "members", slug)


def _find(request: TenantHttpRequest, member_id: int) -> Membership:
    found = (
        Membership.objects.select_related("user", "tenant")
        .filter(tenant=request.tenant, pk=member_id)
        .first()
    )
    if found is None:
        raise NotFound("The tenant has no member with this id.")
    return found
