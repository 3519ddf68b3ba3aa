"""The operator's pages about tenants."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ragadmin.errors import RagadminError
from ragadmin.forms import add_error
from tenants.access import operator_page
from tenants.budget_view import find_spenders
from tenants.fleet import find_tenants, schema_version, set_tenant_status
from tenants.grants import Granter
from tenants.members import invite_member
from tenants.models import Membership, Tenant
from tenants.operator_forms import AddMemberForm, NewTenantForm
from tenants.services import create_tenant
from tenants.views.archives import archive_context
from tenants.views.moves import move_context

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from tenants.access import OperatorHttpRequest

ON_A_PAGE = 25


def read_filter(request: HttpRequest, name: str) -> str:
    """Postgres refuses NUL characters in text."""
    return request.GET.get(name, "").replace("\x00", "").strip()[:200]


@require_safe
@operator_page
def tenants(request: OperatorHttpRequest) -> HttpResponse:
    text, status = read_filter(request, "q"), read_filter(request, "status")
    found = find_tenants(text=text, status=status)
    context = {
        "page": Paginator(found, ON_A_PAGE).get_page(request.GET.get("page")),
        "text": text,
        "status": status,
        "statuses": Tenant.Status.choices,
        "is_filtered": bool(text or status),
    }
    template = "_operator_tenants" if request.htmx else "operator_tenants"
    return render(request, f"tenants/{template}.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@operator_page
def new_tenant(request: OperatorHttpRequest) -> HttpResponse:
    form = NewTenantForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        started = time.perf_counter()
        try:
            tenant = create_tenant(**form.cleaned_data, actor=request.user)
        except RagadminError as error:
            add_error(form, error)
        else:
            taken = (time.perf_counter() - started) * 1000
            messages.success(request, f"{tenant.name} was made in {taken:.0f} ms.")
            return redirect("operator-tenant", tenant.slug)
    return render(request, "tenants/operator_new_tenant.html", {"form": form})


@require_safe
@operator_page
def tenant(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    found = _load(slug)
    return _render_tenant(request, found, form=AddMemberForm(tenant=found))


@require_POST
@never_cache
@operator_page
def add_tenant_member(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    """Renders instead of redirecting, so that a new person's password is written down nowhere."""
    found = _load(slug)
    form = AddMemberForm(request.POST, tenant=found)
    if not form.is_valid():
        return _render_tenant(request, found, form=form)
    granter = Granter(request.user, Membership.Role.OWNER, tuple(found.access_levels))
    try:
        member, password = invite_member(tenant=found, **form.cleaned_data, granter=granter)
    except RagadminError as error:
        add_error(form, error)
        return _render_tenant(request, found, form=form)
    if not password:
        messages.success(request, f"{member.user.email} is {member.role} of {found.name} now.")
        return redirect("operator-tenant", slug)
    form = AddMemberForm(tenant=found)
    sign_in_url = request.build_absolute_uri(reverse("account_login"))
    return _render_tenant(
        request, found, form=form, invited=member, password=password, sign_in_url=sign_in_url
    )


@require_POST
@operator_page
def change_tenant_status(request: OperatorHttpRequest, slug: str) -> HttpResponse:
    found = _load(slug)
    suspend = request.POST.get("status") == Tenant.Status.SUSPENDED
    status = Tenant.Status.SUSPENDED if suspend else Tenant.Status.ACTIVE
    if set_tenant_status(found, status, actor=request.user):
        said = "suspended: its people and keys are shut out" if suspend else "open again"
        messages.success(request, f"{found.name} is {said}.")
    return redirect("operator-tenant", slug)


def _load(slug: str) -> Tenant:
    return get_object_or_404(Tenant.objects.select_related("provider"), slug=slug)


def _render_tenant(request: HttpRequest, tenant: Tenant, **extra: Any) -> HttpResponse:
    context = {
        "tenant": tenant,
        "schema_version": schema_version(tenant),
        "members": tenant.membership_set.select_related("user").order_by("user__email"),
        "spender": find_spenders(tenant)[0],
        "keys_in_use": tenant.apikey_set.filter(revoked_at=None).count(),
        **move_context(tenant),
        **archive_context(tenant),
        **extra,
    }
    return render(request, "tenants/operator_tenant.html", context)
