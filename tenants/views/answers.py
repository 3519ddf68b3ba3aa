"""Where to go after something was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import redirect, resolve_url
from django_htmx.http import HttpResponseClientRedirect

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tenants.access import TenantHttpRequest


def go_to(request: TenantHttpRequest, name: str, *args: str) -> HttpResponse:
    """A fresh page, for htmx too, so that the message about what was done is shown there."""
    if request.htmx:
        return HttpResponseClientRedirect(resolve_url(name, *args))
    return redirect(name, *args)
