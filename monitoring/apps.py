from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring.intake import keep_books
        from monitoring.tenant_life import register_tenant_life

        keep_books()
        register_tenant_life()
        self._watch()
        if settings.OTEL_ENDPOINT:
            from monitoring.telemetry import listen

            listen(settings.OTEL_ENDPOINT)

    def _watch(self) -> None:
        """What alerts need to know, and what tells of them."""
        from monitoring.alert_life import register_alert_life
        from monitoring.alert_list import count_open
        from monitoring.alert_messages import write, write_test
        from monitoring.outbox import WRITERS
        from monitoring.sync_outcomes import note_sync
        from retrieval.events import sync_listeners
        from tenants.navigation import COUNTS

        register_alert_life()
        COUNTS["alerts/"] = count_open
        WRITERS.update(alerts=write, test=write_test)
        if note_sync not in sync_listeners:
            sync_listeners.append(note_sync)
