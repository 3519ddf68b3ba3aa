"""Alerts as they are listed on pages and in the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Q

from monitoring.alert_messages import traces_path
from monitoring.alert_words import condition, figure, span
from monitoring.metrics import METRICS
from monitoring.models import Alert, AlertRule

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet

    from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class AlertRow:
    alert: Alert
    label: str
    value: str
    worst: str
    counted: str
    condition: str
    traces: str
    took: str


def alerts_of(owner: Tenant | None) -> QuerySet[Alert]:
    """About a tenant; None: about everybody and the fleet. Newest first."""
    alerts = Alert.objects.filter(rule__metric__in=METRICS).select_related("rule", "tenant")
    if owner is not None:
        alerts = alerts.filter(tenant=owner)
    return alerts.order_by("-opened_at", "pk")


def count_open(tenant: Tenant | None) -> int:
    """For the navigation: of a tenant, or of the installation."""
    alerts = Alert.objects.filter(resolved_at=None)
    return (alerts.filter(tenant=tenant) if tenant else alerts).count()


def rows_of(alerts: Iterable[Alert], now: datetime) -> list[AlertRow]:
    return [_row(alert, now) for alert in alerts]


def open_by_rule(owner: Tenant | None, rules: Iterable[AlertRule]) -> dict[object, int]:
    """How many alerts of each rule are open, for whoever looks."""
    whose = Q(tenant=owner) if owner is not None else Q()
    alerts = Alert.objects.filter(whose, rule__in=list(rules), resolved_at=None)
    counted = alerts.order_by().values("rule_id").annotate(found=Count("pk"))
    return {row["rule_id"]: row["found"] for row in counted}


def _row(alert: Alert, now: datetime) -> AlertRow:
    rule = alert.rule
    metric = METRICS[rule.metric]
    until = alert.resolved_at or now
    return AlertRow(
        alert=alert,
        label=metric.label,
        value=figure(alert.value, metric.unit),
        worst=figure(alert.worst_value, metric.unit),
        counted=f"{alert.count:,} {metric.counted}",
        condition=condition(rule),
        traces=traces_path(alert, now),
        took=span(max(1, round((until - alert.opened_at).total_seconds() / 60))),
    )
