"""Who may enter a tenant, as what, and what they may see there."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied as PageForbidden
from django.db import connection
from django.http import Http404, HttpRequest
from django.shortcuts import render, resolve_url
from django_htmx.http import HttpResponseClientRedirect
from structlog.contextvars import bind_contextvars

from ragadmin.errors import NotFound, PermissionDenied, SchemaMissing, TenantGone
from tenants.config import Caller, TenantConfig
from tenants.config_rows import CONFIG_JSON, CONFIG_QUERY, config_of
from tenants.context import tenant_context
from tenants.models import ApiKey, Membership, Tenant, User

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http.response import HttpResponseBase
    from django_htmx.middleware import HtmxDetails

P = ParamSpec("P")

ROLE_RANK = {Membership.Role.MEMBER: 0, Membership.Role.ADMIN: 1, Membership.Role.OWNER: 2}
MEMBER_SCOPES = frozenset({"query"})
ADMIN_SCOPES = frozenset({"query", "ingest", "admin"})
OPERATOR_SCOPES = ADMIN_SCOPES | {"operator"}
UNKNOWN_TENANT = "There is no such tenant, or you are not a member of it."


class TenantHttpRequest(HttpRequest):
    """The request of a view under `tenant_page`."""

    user: User
    tenant: Tenant
    role: str
    access_levels: tuple[str, ...]
    htmx: HtmxDetails


class OperatorHttpRequest(HttpRequest):
    """The request of a view under `operator_page`."""

    user: User
    htmx: HtmxDetails


@dataclass(frozen=True, slots=True)
class Entrance:
    """A person's place in a tenant. Operators enter every tenant as its owner."""

    tenant: Tenant
    role: str
    access_levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatorCaller:
    """An operator who acts on the fleet and has named no tenant."""

    label: str
    scopes: frozenset[str] = frozenset({"operator"})
    user_id: int | None = None
    api_key_id: str | None = None


def enter(user: User, slug: str) -> Entrance:
    """Raises one and the same NotFound for an unknown tenant and for somebody else's."""
    if "\0" in slug:  # PostgreSQL has no such text
        raise NotFound(UNKNOWN_TENANT)
    if user.is_operator:
        tenant = Tenant.objects.select_related("provider").filter(slug=slug).first()
        if tenant is None:
            raise NotFound(UNKNOWN_TENANT)
        return Entrance(tenant, Membership.Role.OWNER, tuple(tenant.access_levels))
    member = (
        Membership.objects.select_related("tenant__provider")
        .filter(user=user, tenant__slug=slug)
        .first()
    )
    if member is None:
        raise NotFound(UNKNOWN_TENANT)
    levels = still_existing(member.access_levels, member.tenant)
    return Entrance(member.tenant, member.role, levels)


def still_existing(levels: Sequence[str], tenant: Tenant) -> tuple[str, ...]:
    """A level that the tenant has dropped opens nothing, even if it is made again elsewhere."""
    return tuple(level for level in levels if level in tenant.access_levels)


def has_role(role: str, wanted: str) -> bool:
    return ROLE_RANK[Membership.Role(role)] >= ROLE_RANK[Membership.Role(wanted)]


def scopes_of(user: User, role: str) -> frozenset[str]:
    if user.is_operator:
        return OPERATOR_SCOPES
    return ADMIN_SCOPES if has_role(role, Membership.Role.ADMIN) else MEMBER_SCOPES


def caller_of_person(user: User, slug: str) -> Caller:
    place = enter(user, slug)
    if place.tenant.status == Tenant.Status.SUSPENDED and not user.is_operator:
        raise suspended(place.tenant)
    return Caller(
        tenant=tenant_config(place.tenant),
        access_levels=place.access_levels,
        scopes=scopes_of(user, place.role),
        label=user.email,
        user_id=user.pk,
        may_tune=has_role(place.role, Membership.Role.ADMIN),
    )


def caller_of_key(key: ApiKey) -> Caller | OperatorCaller:
    if key.tenant is None:
        return OperatorCaller(str(key), scopes=frozenset(key.scopes), api_key_id=str(key.pk))
    if key.tenant.status == Tenant.Status.SUSPENDED:
        raise suspended(key.tenant)
    return Caller(
        tenant=tenant_config(key.tenant),
        access_levels=still_existing(key.access_levels, key.tenant),
        scopes=frozenset(key.scopes),
        label=str(key),
        api_key_id=str(key.pk),
        questions_per_minute=key.questions_per_minute,
        may_tune="admin" in key.scopes,
    )


def suspended(tenant: Tenant) -> PermissionDenied:
    return PermissionDenied(
        f"The tenant {tenant.slug} is suspended: ask the operator of this installation.",
        code="tenant_suspended",
    )


def tenant_config(tenant: Tenant) -> TenantConfig:
    """As it stands in the database now. Raises TenantGone."""
    with connection.cursor() as cursor:
        cursor.execute(CONFIG_QUERY, [tenant.pk])
        row = cursor.fetchone()
        if row is None:
            raise TenantGone(f"The tenant {tenant.slug} is not there any more.")
        names = [column.name for column in cursor.description or ()]
    # Django hands JSON over as text.
    values = {
        name: json.loads(value) if name in CONFIG_JSON and value is not None else value
        for name, value in zip(names, row, strict=True)
    }
    return config_of(values)


def tenant_page(
    role: str = Membership.Role.MEMBER, *, in_force: bool = True
) -> Callable[
    [Callable[Concatenate[TenantHttpRequest, str, P], HttpResponseBase]],
    Callable[Concatenate[TenantHttpRequest, str, P], HttpResponseBase],
]:
    """Lets members of at least `role` into `view(request, slug, ...)`, with the tenant in force.

    `in_force=False` is for a view that asks a model: no transaction must wait for that.
    """

    def decorate(
        view: Callable[Concatenate[TenantHttpRequest, str, P], HttpResponseBase],
    ) -> Callable[Concatenate[TenantHttpRequest, str, P], HttpResponseBase]:
        @wraps(view)
        def wrapper(
            request: TenantHttpRequest, slug: str, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return ask_to_sign_in(request)
            try:
                place = enter(request.user, slug)
                request.tenant, request.role = place.tenant, place.role
                request.access_levels = place.access_levels
                bind_contextvars(tenant=place.tenant.slug)
                if place.tenant.status == Tenant.Status.SUSPENDED and not request.user.is_operator:
                    return render(request, "tenants/suspended.html", status=403)
                if not has_role(place.role, role):
                    raise PageForbidden(f"This page is for the role {role}.")
                with tenant_context(place.tenant) if in_force else nullcontext():
                    return _rendered(view(request, slug, *args, **kwargs))
            except SchemaMissing as error:
                context = {"error": error}
                return render(request, "tenants/schema_missing.html", context, status=error.status)
            except NotFound as error:
                raise Http404(error.message) from error
            except PermissionDenied as error:
                raise PageForbidden(error.message) from error

        return wrapper

    return decorate


def operator_page(
    view: Callable[Concatenate[OperatorHttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[OperatorHttpRequest, P], HttpResponseBase]:
    """Lets operators in; for everybody else the page does not exist."""

    @wraps(view)
    def wrapper(
        request: OperatorHttpRequest, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return ask_to_sign_in(request)
        if not getattr(request.user, "is_operator", False):
            raise Http404("This page is for operators.")
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error

    return wrapper


def ask_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """For a fragment the whole page must go to the sign-in, or it would appear inside the page."""
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(resolve_url(settings.LOGIN_URL))
    return redirect_to_login(request.get_full_path())


def _rendered(response: HttpResponseBase) -> HttpResponseBase:
    """A lazy template reads the tenant's rows, so it is rendered while the tenant is in force."""
    render_now: Callable[[], HttpResponseBase] | None = getattr(response, "render", None)
    return render_now() if render_now else response
