from __future__ import annotations

from django.urls import path

from monitoring.api import alerts, notifiers, reports, usage

urlpatterns = [
    path("reports/daily/", reports.DailyReportView.as_view(), name="reports-daily"),
    path("usage/", usage.UsageView.as_view()),
    path("alert-rules/", alerts.RuleList.as_view()),
    path("alert-rules/preview/", alerts.RulePreview.as_view()),
    path("alert-rules/<uuid:rule_id>/", alerts.RuleDetail.as_view()),
    path("alert-rules/<uuid:rule_id>/mute/", alerts.RuleMute.as_view()),
    path("alerts/", alerts.AlertList.as_view()),
    path("alerts/<uuid:alert_id>/", alerts.AlertDetail.as_view()),
    path("notifiers/", notifiers.NotifierList.as_view()),
    path("notifiers/<uuid:notifier_id>/", notifiers.NotifierDetail.as_view()),
    path("notifiers/<uuid:notifier_id>/test/", notifiers.NotifierTest.as_view()),
]
