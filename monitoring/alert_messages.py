"""What is told of alerts: numbers, names and links, and nothing that a customer wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings

from monitoring.alert_words import EVENTS, condition, demo_words, figure, threshold_of
from monitoring.metrics import METRICS
from monitoring.models import Alert
from monitoring.notifiers import Message
from monitoring.recent import window_start

if TYPE_CHECKING:
    from monitoring.levels import Event, Reading
    from monitoring.models import Notification
    from tenants.models import Tenant

# In one message; the others are counted.
MOST_TOLD = 25


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened to an alert, and the reading that did it."""

    event: Event
    alert: Alert
    reading: Reading


def payload_of(several: list[Told], now: datetime) -> dict[str, Any]:
    return {
        "sent_at": now.isoformat(),
        "alerts": [_described(one, now) for one in several[:MOST_TOLD]],
        "more": max(0, len(several) - MOST_TOLD),
    }


def write(notification: Notification) -> Message | None:
    """Without alerts that were deleted meanwhile, with their rule or their tenant."""
    alerts = _as_they_are(notification.payload["alerts"])
    if not alerts:
        return None
    more = notification.payload["more"]
    paragraphs = [_paragraph(one) for one in alerts]
    if more:
        where = link(alerts_path(notification.notifier.tenant))
        paragraphs.append(f"And {more} more: {where}")
    return Message(
        id=str(notification.pk),
        event="alerts",
        subject=_subject(alerts, more),
        text="\n\n".join(paragraphs) + "\n",
        data={**notification.payload, "alerts": alerts},
    )


def _as_they_are(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are still stored. A message that is late says what was resolved meanwhile: the one
    that tells of it may have come first."""
    keys = [one["id"] for one in alerts]
    found = dict(Alert.objects.filter(pk__in=keys).values_list("pk", "resolved_at"))
    left = {str(key): at.isoformat() if at else None for key, at in found.items()}
    return [one | {"resolved_at": left[one["id"]]} for one in alerts if one["id"] in left]


def write_test(notification: Notification) -> Message:
    name = notification.notifier.name
    return Message(
        id=str(notification.pk),
        event="test",
        subject=f"ragadmin: a test of {name}",
        text=f"This is a test of the notifier {name}. It arrived, so alerts will too.\n",
        data=notification.payload,
    )


def link(path: str) -> str:
    """The whole address where the installation knows its own, else the path."""
    return f"{settings.PUBLIC_URL}{path}"


def alerts_path(tenant: Tenant | None) -> str:
    return f"/t/{tenant.slug}/alerts/" if tenant else "/operator/alerts/"


def traces_path(alert: Alert, now: datetime) -> str:
    """The questions of the alert's time, from the window that opened it. Empty for the fleet, and
    where the figure is not one of answers."""
    rule, tenant = alert.rule, alert.tenant
    if tenant is None or METRICS[rule.metric].read is not None:
        return ""
    start = window_start(alert.opened_at, rule.window_minutes)
    # Whole seconds, and none lost at the end.
    end = (alert.resolved_at or now).replace(microsecond=0) + timedelta(seconds=1)
    query = urlencode({"from": start.isoformat(), "to": end.isoformat()})
    return f"/t/{tenant.slug}/traces/?{query}"


def _described(told: Told, now: datetime) -> dict[str, Any]:
    alert, rule, tenant = told.alert, told.alert.rule, told.alert.tenant
    metric = METRICS[rule.metric]
    traces = traces_path(alert, now)
    return {
        "id": str(alert.pk),
        "event": told.event,
        "level": "ok" if told.event == "resolved" else alert.level,
        "rule": {"id": str(rule.pk), "name": rule.name, "condition": condition(rule)},
        "tenant": _named(tenant) if tenant else None,
        "metric": {"key": metric.key, "label": metric.label, "unit": metric.unit},
        "value": alert.value,
        "worst_value": alert.worst_value,
        "threshold": threshold_of(rule, alert.level),
        "count": alert.count,
        "counted": metric.counted,
        "questions": told.reading.questions,
        "simulated": told.reading.simulated,
        "unpriced": told.reading.unpriced,
        "window_minutes": rule.window_minutes,
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "url": link(alerts_path(tenant)),
        "traces_url": link(traces) if traces else None,
    }


def _named(tenant: Tenant) -> dict[str, Any]:
    """By the id its entries are found again when it is deleted (monitoring.alert_life)."""
    return {"id": tenant.pk, "slug": tenant.slug, "name": tenant.name}


def _subject(alerts: list[dict[str, Any]], more: int) -> str:
    first = alerts[0]
    if len(alerts) == 1 and not more:
        return f"{_mark(first)} {first['rule']['name']} ({_whom(first)}) {EVENTS[first['event']]}"
    opened = sum(one["event"] != "resolved" for one in alerts)
    words = [f"{opened} alerts" if opened != 1 else "1 alert"] if opened else []
    if resolved := len(alerts) - opened:
        words.append(f"{resolved} resolved")
    return f"{_mark(first)} {', '.join(words)}" + (f" and {more} more" if more else "")


def _mark(one: dict[str, Any]) -> str:
    return {"ok": "[resolved]", "warning": "[warning]"}.get(one["level"], "[alert]")


def _whom(one: dict[str, Any]) -> str:
    return one["tenant"]["slug"] if one["tenant"] else "fleet"


def _paragraph(one: dict[str, Any]) -> str:
    metric = one["metric"]
    value = figure(one["value"], metric["unit"])
    known = f"{metric['label']} is {value}, from"
    if one["value"] is None:
        known = f"There is no data on “{metric['label']}”, or too little: from"
    lines = [
        f"{_mark(one)} {one['rule']['name']}: {_whom(one)}, {EVENTS[one['event']]}",
        f"{known} {one['count']:,} {one['counted']}; the rule looks for {one['rule']['condition']}.",
    ]
    if unpriced := one.get("unpriced"):
        lines.append(f"With {unpriced:,} of unknown price, which count with what is known of them.")
    if demo := demo_words(one.get("questions", 0), one.get("simulated", 0)):
        lines.append(f"{demo[0].upper()}{demo[1:]}.")
    if one["resolved_at"] and one["event"] != "resolved":
        lines.append("It is resolved by now.")
    if one["worst_value"] is not None and one["worst_value"] != one["value"]:
        lines.append(f"At its worst it was {figure(one['worst_value'], metric['unit'])}.")
    lines.append(f"Alerts: {one['url']}")
    if one["traces_url"]:
        lines.append(f"Questions of that time: {one['traces_url']}")
    return "\n".join(lines)
