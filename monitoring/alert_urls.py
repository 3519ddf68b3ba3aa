"""The pages about alerts, of a tenant and of the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import path

from monitoring.views import alert_rules, alerts, notifiers
from monitoring.views.place import both

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.urls import URLPattern

RULE, NOTIFIER = "rules/<uuid:rule_id>/", "notifiers/<uuid:notifier_id>/"
PAGES: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("", alerts.alerts, "alerts"),
    ("rules/", alert_rules.rules, "alert-rules"),
    ("rules/new/", alert_rules.edit_rule, "new-alert-rule"),
    (RULE, alert_rules.edit_rule, "alert-rule"),
    (f"{RULE}mute/", alert_rules.mute_rule, "mute-alert-rule"),
    (f"{RULE}enabled/", alert_rules.enable_rule, "enable-alert-rule"),
    (f"{RULE}delete/", alert_rules.remove_rule, "delete-alert-rule"),
    ("notifiers/", notifiers.notifiers, "notifiers"),
    ("notifiers/new/<slug:kind>/", notifiers.edit_notifier, "new-notifier"),
    (NOTIFIER, notifiers.edit_notifier, "notifier"),
    (f"{NOTIFIER}test/", notifiers.try_one, "test-notifier"),
    (f"{NOTIFIER}secret/", notifiers.renew, "renew-notifier-secret"),
    (f"{NOTIFIER}enabled/", notifiers.enable_notifier, "enable-notifier"),
    (f"{NOTIFIER}delete/", notifiers.remove_notifier, "delete-notifier"),
)


def alert_pages() -> list[URLPattern]:
    found = []
    for address, view, name in PAGES:
        of_tenant, of_operator = both(view, in_force=view is not notifiers.try_one)
        found += [
            path(f"t/<slug:slug>/alerts/{address}", of_tenant, name=name),
            path(f"operator/alerts/{address}", of_operator, name=f"operator-{name}"),
        ]
    return found
