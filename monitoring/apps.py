from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring.intake import keep_books

        keep_books()
        if settings.OTEL_ENDPOINT:
            from monitoring.telemetry import listen

            listen(settings.OTEL_ENDPOINT)
