from __future__ import annotations

from django.urls import path

from monitoring.api import reports, usage

urlpatterns = [
    path("reports/daily/", reports.DailyReportView.as_view(), name="reports-daily"),
    path("usage/", usage.UsageView.as_view()),
]
