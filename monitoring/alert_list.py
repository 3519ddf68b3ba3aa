"""Alerts as they are listed on pages and in the API."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Q

from monitoring.alert_messages import traces_path
from monitoring.alert_words import condition, demo_words, figure, span
from monitoring.metrics import METRICS
from monitoring.models import Alert, AlertRule
from monitoring.recent import sums_of_window, window_start

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

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
    # Of an open one: what of its window is demo traffic.
    demo: str


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
    alerts = list(alerts)
    demo = _demo_traffic([alert for alert in alerts if alert.resolved_at is None], now)
    return [_row(alert, now, demo.get(alert.pk, "")) for alert in alerts]


def open_by_rule(owner: Tenant | None, rules: Iterable[AlertRule]) -> dict[object, int]:
    """How many alerts of each rule are open, for whoever looks."""
    whose = Q(tenant=owner) if owner is not None else Q()
    alerts = Alert.objects.filter(whose, rule__in=list(rules), resolved_at=None)
    counted = alerts.order_by().values("rule_id").annotate(found=Count("pk"))
    return {row["rule_id"]: row["found"] for row in counted}


def _demo_traffic(alerts: Iterable[Alert], now: datetime) -> dict[UUID, str]:
    """One query for each length of window."""
    found: dict[UUID, str] = {}
    by_window: dict[int, list[Alert]] = defaultdict(list)
    for alert in alerts:
        if METRICS[alert.rule.metric].read is None:
            by_window[alert.rule.window_minutes].append(alert)
    for minutes, several in by_window.items():
        keys = [alert.tenant_id for alert in several]
        sums = sums_of_window(
            window_start(now, minutes),
            now,
            tenant_ids=[key for key in keys if key is not None],
            fleet=None in keys,
            histograms=(),
        )
        for alert in several:
            if asked := sums.get(alert.tenant_id):
                found[alert.pk] = demo_words(asked.questions, asked.simulated)
    return found


def _row(alert: Alert, now: datetime, demo: str) -> AlertRow:
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
        demo=demo,
    )
