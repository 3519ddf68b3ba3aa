from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from tenants.access import operator_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_safe
@operator_page
def tenants(request: HttpRequest) -> HttpResponse:
    return render(request, "tenants/operator_tenants.html", {})
