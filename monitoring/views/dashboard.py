"""The dashboard of a tenant and the overview of the fleet, as pages and as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import structlog
from django.db import DatabaseError, transaction
from django.http import Http404, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from monitoring.dashboards import days_of, fleet_dashboard, range_query, tenant_dashboard
from monitoring.models import RollupState
from monitoring.periods import DEFAULT, WORDS, named, read_period
from ragadmin.csv_export import csv_response
from ragadmin.errors import InvalidRequest
from tenants.access import OperatorHttpRequest, TenantHttpRequest, operator_page, tenant_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from monitoring.dashboards import Dashboard
    from monitoring.periods import Period

    Draw = Callable[[Period, bool], Dashboard]

log = structlog.get_logger(__name__)

FLEET_ZONE = "UTC"


@require_safe
@tenant_page("admin")
def dashboard(request: TenantHttpRequest, slug: str) -> HttpResponse:
    zone = request.tenant.timezone
    return _page(request, "monitoring/dashboard.html", zone, _of_tenant(request))


@require_safe
@tenant_page("admin")
def dashboard_csv(request: TenantHttpRequest, slug: str, chart: str) -> HttpResponseBase:
    return _csv(request, chart, f"{slug}-{chart}", request.tenant.timezone, _of_tenant(request))


@require_safe
@operator_page
def overview(request: OperatorHttpRequest) -> HttpResponse:
    return _page(request, "monitoring/operator_overview.html", FLEET_ZONE, _of_fleet)


@require_safe
@operator_page
def overview_csv(request: OperatorHttpRequest, chart: str) -> HttpResponseBase:
    return _csv(request, chart, f"fleet-{chart}", FLEET_ZONE, _of_fleet)


def _of_tenant(request: TenantHttpRequest) -> Draw:
    def draw(period: Period, compare: bool) -> Dashboard:
        return tenant_dashboard(request.tenant, period, compare=compare)

    return draw


def _of_fleet(period: Period, compare: bool) -> Dashboard:
    return fleet_dashboard(period, compare=compare, now=timezone.now())


def _page(request: Any, template: str, zone: str, draw: Draw) -> HttpResponse:
    period, error = _period(request, zone)
    compare, now = request.GET.get("compare") == "1", timezone.now()
    context = {
        "period": period,
        "error": error,
        "is_future": period.start > now,
        "days_back": (now - period.start).days,
        **_choices(request.path, period, compare),
        **_read(request.path, period, compare, draw),
    }
    wants_part = request.htmx.target == "board" and not request.htmx.history_restore_request
    page = "monitoring/_board.html" if wants_part else template
    status = 503 if context["board"] is None else 200
    response = render(request, page, context | {"is_part": wants_part}, status=status)
    patch_vary_headers(response, ("HX-Request",))
    return response


def _read(path: str, period: Period, compare: bool, draw: Draw) -> dict[str, Any]:
    """`board` is None where the figures cannot be read: the rest of the page still shows the way."""
    try:
        # A tenant's page is a transaction, in which a failure would take the rest along.
        with transaction.atomic():
            board = draw(period, compare)
            rolled_up_at = RollupState.objects.values_list("rolled_up_at", flat=True).first()
    except DatabaseError:
        log.exception("figures cannot be read", path=path)
        return {"board": None}
    query = _query(range_query(period), compare)
    return {"board": board.with_csv(f"{path}charts/", query), "rolled_up_at": rolled_up_at}


def _choices(path: str, period: Period, compare: bool) -> dict[str, Any]:
    """The ranges as links, and the present one as dates."""
    named_ranges = [
        {
            "name": name,
            "words": words,
            "href": f"{path}?{_query({'range': name}, compare)}",
            "is_current": name == period.name,
        }
        for name, words in WORDS.items()
    ]
    return {
        "page_url": path,
        "ranges": named_ranges,
        "dates": days_of(period),
        "compare": compare,
        # What the switch between both sends besides itself.
        "range": range_query(period),
    }


def _query(values: dict[str, str], compare: bool) -> str:
    return urlencode(values | ({"compare": "1"} if compare else {}))


def _period(request: HttpRequest, zone: str) -> tuple[Period, str]:
    """A range that means nothing is said, and the usual one shown."""
    now = timezone.now()
    try:
        return read_period(dict(request.GET.items()), now=now, timezone=zone), ""
    except InvalidRequest as error:
        return named(DEFAULT, now=now, timezone=zone), error.message


def _csv(request: HttpRequest, key: str, name: str, zone: str, draw: Draw) -> HttpResponseBase:
    period, error = _period(request, zone)
    if error:
        # A file of another period than was asked for would be taken for that one.
        return HttpResponseBadRequest(error, content_type="text/plain; charset=utf-8")
    rows = draw(period, request.GET.get("compare") == "1").csv_rows(key)
    if rows is None:
        raise Http404("There is no such chart.")
    return csv_response(request, f"{name}.csv", rows)
