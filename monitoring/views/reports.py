"""Daily reports as pages: the list of days, one day, its CSV, and the mail as it is sent."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from monitoring.models import DailyReport, Notification, Notifier
from monitoring.reports import fleet, message
from monitoring.reports.days import Day, read_day, today
from monitoring.reports.figures import figures_began_at, read_report, read_reports
from monitoring.reports.findings import read_findings
from monitoring.reports.words import (
    KINDS,
    LINES,
    cost_lines,
    csv_rows,
    differences,
    further_lines,
    lines_of,
    written,
)
from ragadmin.csv_export import csv_response
from ragadmin.errors import InvalidRequest
from tenants.access import OperatorHttpRequest, TenantHttpRequest, operator_page, tenant_page

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from tenants.models import Tenant

DAYS_SHOWN = 30
EVERYBODY = "all tenants"


@require_safe
@tenant_page("admin")
def reports(request: TenantHttpRequest, slug: str) -> HttpResponse:
    return _list(request, request.tenant)


@require_safe
@tenant_page("admin", in_force=False)
def report(request: TenantHttpRequest, slug: str, day: str) -> HttpResponse:
    return _show(request, request.tenant, day)


@require_safe
@tenant_page("admin", in_force=False)
def report_csv(request: TenantHttpRequest, slug: str, day: str) -> HttpResponseBase:
    return _csv(request, request.tenant, day)


@require_safe
@tenant_page("admin", in_force=False)
def report_mail(request: TenantHttpRequest, slug: str, day: str) -> HttpResponse:
    return _mail(request, request.tenant, day)


@require_safe
@operator_page
def fleet_reports(request: OperatorHttpRequest) -> HttpResponse:
    return _list(request, None)


@require_safe
@operator_page
def fleet_report(request: OperatorHttpRequest, day: str) -> HttpResponse:
    return _show(request, None, day)


@require_safe
@operator_page
def fleet_report_csv(request: OperatorHttpRequest, day: str) -> HttpResponseBase:
    return _csv(request, None, day)


@require_safe
@operator_page
def fleet_report_mail(request: OperatorHttpRequest, day: str) -> HttpResponse:
    return _mail(request, None, day)


def _list(request: Any, tenant: Tenant | None) -> HttpResponse:
    now = timezone.now()
    try:
        last = _day(request.GET.get("until", ""), tenant, now).date
    except InvalidRequest as error:
        return _refused(request, tenant, error)
    if not request.GET.get("until"):
        last = today(tenant, now)
    days = [Day(last - timedelta(days=back), tenant) for back in range(DAYS_SHOWN)]
    began = figures_began_at(tenant, now)
    found = [one for one in read_reports(days, now=now) if one.day.period.end > began]
    sent, undelivered = _sent(tenant, days), _undelivered(tenant)
    context = {
        "rows": [
            {
                "date": one.day.date,
                "state": one.state,
                "cells": [
                    written(value, kind.unit)
                    for kind, value in zip(LINES, one.numbers().values(), strict=True)
                ],
                "simulated": one.sums.simulated,
                "unpriced": one.sums.unpriced,
                "sent_at": sent.get(one.day.date),
                "undelivered": undelivered.get(one.day.date.isoformat(), 0),
            }
            for one in found
        ],
        "kinds": LINES,
        "timezone": days[0].timezone,
        "older": days[-1].before.date if days[-1].period.start > began else None,
        "newer": min(last + timedelta(days=DAYS_SHOWN), today(tenant, now))
        if last < today(tenant, now)
        else None,
        "receivers": Notifier.objects.filter(
            tenant=tenant, sends_reports=True, is_enabled=True
        ).count(),
        "tenant": tenant,
    }
    return render(request, "monitoring/reports.html", context)


def _show(request: Any, tenant: Tenant | None, raw: str) -> HttpResponse:
    now = timezone.now()
    try:
        day = _day(raw, tenant, now)
    except InvalidRequest as error:
        return _refused(request, tenant, error)
    found, figures = _figures(day, now)
    stored = DailyReport.objects.filter(tenant=tenant, date=day.date).first()
    context = {
        **_links(day, now),
        "figures": figures,
        "extra": figures["extra"],
        "lines": lines_of(figures),
        "further": further_lines(figures),
        "costs": list(cost_lines(figures)),
        "stored": stored,
        "undelivered": _undelivered(tenant).get(day.date.isoformat(), 0),
        "differences": differences(stored.figures, figures) if stored else [],
        "findings": _by_kind(figures["extra"].get("worst_questions", [])),
        "are_forgotten": _are_forgotten(day, now),
        # Golden questions are asked, and cost, on days when nobody else asks.
        "is_empty": not (found.sums.questions or found.spending.rows),
        "tenant_rows": _tenant_rows(figures["extra"].get("tenants", [])),
    }
    return render(request, "monitoring/report.html", context)


def _tenant_rows(tenants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "slug": each["slug"],
            "name": each["name"],
            "cells": [
                written(each["total_queries"], "count"),
                written(each["cache_hit_rate"], "percent"),
                written(each["error_rate"], "percent"),
                written(each["thumbs_down_rate"], "percent"),
                written(each["daily_cost"], "usd"),
            ],
        }
        for each in tenants
    ]


def _by_kind(findings: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [
        (label, rows)
        for kind, label in KINDS.items()
        if (rows := [each for each in findings if each["kind"] == kind])
    ]


def _csv(request: HttpRequest, tenant: Tenant | None, raw: str) -> HttpResponseBase:
    now = timezone.now()
    try:
        day = _day(raw, tenant, now)
    except InvalidRequest as error:
        return _refused(request, tenant, error)
    _, figures = _figures(day, now)
    name = f"report-{tenant.slug if tenant else 'fleet'}-{day.date}.csv"
    return csv_response(request, name, list(csv_rows(figures)))


def _mail(request: HttpRequest, tenant: Tenant | None, raw: str) -> HttpResponse:
    now = timezone.now()
    try:
        day = _day(raw, tenant, now)
    except InvalidRequest as error:
        return _refused(request, tenant, error)
    _, figures = _figures(day, now)
    whose = tenant.name if tenant else EVERYBODY
    if request.GET.get("as") == "text":
        return HttpResponse(
            message.text_of(figures, whose), content_type="text/plain; charset=utf-8"
        )
    return HttpResponse(message.html_of(figures, whose))


def _figures(day: Day, now: datetime) -> tuple[Any, dict[str, Any]]:
    """With what only this reader may see: an admin of the tenant its questions, an operator the tenants."""
    found = read_report(day, now=now)
    figures = found.as_json()
    figures["extra"] |= read_findings(day) if day.tenant else fleet.of_tenants(day, now=now)
    return found, figures


def _day(raw: str, tenant: Tenant | None, now: datetime) -> Day:
    """Raises InvalidRequest."""
    return read_day(raw, tenant, began_at=figures_began_at(tenant, now), now=now)


def _sent(tenant: Tenant | None, days: list[Day]) -> dict[date, datetime | None]:
    rows = DailyReport.objects.filter(
        tenant=tenant, date__gte=days[-1].date, date__lte=days[0].date
    )
    return dict(rows.values_list("date", "sent_at"))


def _are_forgotten(day: Day, now: datetime) -> bool:
    """Whether questions of the day are deleted, so that none to look at says nothing."""
    days = day.tenant.trace_days if day.tenant else None
    return days is not None and day.period.start < now - timedelta(days)


def _undelivered(tenant: Tenant | None) -> Counter[str]:
    """By day: messages that did not arrive, of those that are kept."""
    failed = Notification.objects.filter(
        event=message.EVENT, status=Notification.Status.FAILED, notifier__tenant=tenant
    )
    return Counter(failed.values_list("payload__report__extra__date", flat=True))


def _links(day: Day, now: datetime) -> dict[str, Any]:
    is_last = day.date >= today(day.tenant, now)
    is_first = day.period.start <= figures_began_at(day.tenant, now)
    return {
        "day": day,
        "tenant": day.tenant,
        "previous_day": None if is_first else day.before.date,
        "next_day": None if is_last else day.date + timedelta(days=1),
    }


def _refused(request: HttpRequest, tenant: Tenant | None, error: InvalidRequest) -> HttpResponse:
    context = {"error": error, "tenant": tenant}
    return render(request, "monitoring/report_refused.html", context, status=error.status)
