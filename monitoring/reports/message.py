"""A report as it is sent: a mail in HTML and text, or the body of a webhook."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from monitoring.models import Notifier
from monitoring.notifiers import Message
from monitoring.outbox import WRITERS
from monitoring.reports.days import Day
from monitoring.reports.findings import read_findings
from monitoring.reports.words import KINDS, cost_lines, further_lines, lines_of
from ragadmin.errors import SchemaMissing, TenantGone
from tenants.models import Membership, Tenant, User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitoring.models import Notification

EVENT = "report"
ADMINS = (Membership.Role.ADMIN, Membership.Role.OWNER)


def payload_of(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and names only: it is stored in public, and goes to whoever has the address."""
    return {"report": dict(figures), "url": report_url(figures["extra"])}


def write(notification: Notification) -> Message:
    """Questions are read when it is sent, and told only to those who may read them all."""
    notifier, payload = notification.notifier, notification.payload
    report = payload["report"]
    if notifier.tenant and goes_to_admins(notifier):
        report = _with_findings(report, notifier.tenant)
    whose = notifier.tenant.name if notifier.tenant else "all tenants"
    return Message(
        id=str(notification.pk),
        event=EVENT,
        subject=subject(report, whose),
        text=text_of(report, whose),
        data=payload,
        html=html_of(report, whose),
    )


def goes_to_admins(notifier: Notifier) -> bool:
    """A mail to people who all are admins of the tenant."""
    addresses = {address.casefold() for address in notifier.target.split()}
    if notifier.kind != Notifier.Kind.EMAIL or not addresses or not notifier.tenant_id:
        return False
    admins = User.objects.filter(
        is_active=True, membership__tenant_id=notifier.tenant_id, membership__role__in=ADMINS
    )
    return addresses <= {email.casefold() for email in admins.values_list("email", flat=True)}


def _with_findings(report: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    day = Day(date.fromisoformat(report["extra"]["date"]), tenant)
    try:
        findings = read_findings(day)
    except (SchemaMissing, TenantGone):
        return report
    return {**report, "extra": {**report["extra"], **findings}}


def subject(report: Mapping[str, Any], whose: str) -> str:
    return f"Daily report of {whose}, {report['extra']['date']}"


def html_of(report: Mapping[str, Any], whose: str) -> str:
    return render_to_string("monitoring/email/report.html", _context(report, whose))


def text_of(report: Mapping[str, Any], whose: str) -> str:
    text = render_to_string("monitoring/email/report.txt", _context(report, whose))
    return text.strip() + "\n"


def _context(report: Mapping[str, Any], whose: str) -> dict[str, Any]:
    extra = report["extra"]
    return {
        "subject": subject(report, whose),
        "extra": extra,
        "lines": lines_of(report),
        "further": further_lines(report),
        "costs": list(cost_lines(report)),
        "kinds": KINDS,
        "url": report_url(extra),
        "traces_url": _absolute(f"/t/{extra['tenant']}/traces/") if extra["tenant"] else "",
    }


def report_url(extra: Mapping[str, Any]) -> str:
    if extra["tenant"]:
        return _absolute(reverse("report", args=[extra["tenant"], extra["date"]]))
    return _absolute(reverse("operator-report", args=[extra["date"]]))


def _absolute(path: str) -> str:
    """The whole address where the installation knows its own, else the path."""
    return f"{settings.PUBLIC_URL}{path}"


WRITERS[EVENT] = write
