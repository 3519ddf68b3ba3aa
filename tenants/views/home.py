"""Where people land: each at the place of their work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from tenants.models import Membership, User

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, User):
        return redirect("account_login")
    if request.user.is_operator:
        return redirect("operator")
    memberships = (
        Membership.objects.filter(user=request.user)
        .select_related("tenant")
        .order_by("tenant__name")
    )
    if len(memberships) == 1:
        return redirect(f"/t/{memberships[0].tenant.slug}/")
    return render(request, "tenants/home.html", {"memberships": memberships})
