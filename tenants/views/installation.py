"""The operator's pages about the installation itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ragadmin.health import run_checks
from tenants.access import operator_page
from tenants.fleet import find_events, known_actions
from tenants.views.operator import read_filter

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tenants.access import OperatorHttpRequest

EVENTS_ON_A_PAGE = 50


@require_safe
@never_cache
@operator_page
def services(request: OperatorHttpRequest) -> HttpResponse:
    checks = run_checks()
    context = {
        "checks": checks,
        "failing": [check for check in checks if not check.ok],
        "checked_at": timezone.now(),
    }
    template = "_operator_services" if request.htmx else "operator_services"
    return render(request, f"tenants/{template}.html", context)


@require_safe
@operator_page
def audit(request: OperatorHttpRequest) -> HttpResponse:
    filters = {name: read_filter(request, name) for name in ("action", "tenant", "text")}
    found = find_events(**filters)
    context = {
        "page": Paginator(found, EVENTS_ON_A_PAGE).get_page(request.GET.get("page")),
        "actions": known_actions(),
        "is_filtered": any(filters.values()),
        **filters,
    }
    return render(request, "tenants/operator_audit.html", context)
