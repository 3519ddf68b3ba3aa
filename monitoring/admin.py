"""Raw rows of what alerts are made of, without credentials."""

from __future__ import annotations

from django.contrib import admin

from monitoring.models import Alert, AlertMute, AlertRule, Notification, Notifier, SyncOutcome
from tenants.raw_rows import ShownRows


@admin.register(AlertRule)
class AlertRuleRows(ShownRows):
    list_display = ("name", "tenant", "each_tenant", "metric", "window_minutes", "is_enabled")
    list_select_related = ("tenant",)


@admin.register(Alert)
class AlertRows(ShownRows):
    list_display = ("rule", "tenant", "level", "value", "opened_at", "resolved_at")
    list_select_related = ("rule", "tenant")


@admin.register(AlertMute)
class AlertMuteRows(ShownRows):
    list_display = ("rule", "tenant", "until")
    list_select_related = ("rule", "tenant")


@admin.register(Notifier)
class NotifierRows(ShownRows):
    list_display = ("name", "tenant", "kind", "is_enabled")
    list_select_related = ("tenant",)
    exclude = ("url_encrypted", "secret_encrypted")


@admin.register(Notification)
class NotificationRows(ShownRows):
    list_display = ("notifier", "event", "status", "attempts", "created_at", "sent_at")
    list_select_related = ("notifier",)


@admin.register(SyncOutcome)
class SyncOutcomeRows(ShownRows):
    list_display = ("tenant", "status", "failed_documents", "finished_at")
    list_select_related = ("tenant",)
