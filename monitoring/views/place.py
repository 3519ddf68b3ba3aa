"""The pages about alerts are the same for a tenant and for the installation: `both` makes the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect

from tenants.access import operator_page, tenant_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse

    from tenants.access import OperatorHttpRequest, TenantHttpRequest
    from tenants.models import Tenant

    PlaceRequest = TenantHttpRequest | OperatorHttpRequest


@dataclass(frozen=True, slots=True)
class Place:
    """`owner` None: the installation, where everything is seen. `base` is the address of its alerts."""

    owner: Tenant | None
    base: str

    @property
    def zone(self) -> str:
        return self.owner.timezone if self.owner else "UTC"

    def go(self, request: PlaceRequest, page: str = "") -> HttpResponse:
        """A fresh page, for htmx too, so that the message about what was done is shown there."""
        address = self.base + page
        return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def both(
    view: Callable[..., HttpResponse], *, in_force: bool = True
) -> tuple[Callable[..., HttpResponse], Callable[..., HttpResponse]]:
    """`view(request, place, ...)` as a page of a tenant's admins, and as one of operators."""

    @tenant_page("admin", in_force=in_force)
    def of_tenant(request: TenantHttpRequest, slug: str, **values: object) -> HttpResponse:
        return view(request, Place(request.tenant, f"/t/{slug}/alerts/"), **values)

    @operator_page
    def of_operator(request: OperatorHttpRequest, **values: object) -> HttpResponse:
        return view(request, Place(None, "/operator/alerts/"), **values)

    return of_tenant, of_operator  # pyright: ignore[reportReturnType]
