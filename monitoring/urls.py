from __future__ import annotations

from django.urls import path

from monitoring.alert_urls import alert_pages
from monitoring.views import dashboard, evaluation, reports, saved_views

DASHBOARD = "t/<slug:slug>/dashboard/"
REPORTS, FLEET_REPORTS = "t/<slug:slug>/reports/", "operator/reports/"

urlpatterns = [
    path("t/<slug:slug>/evaluation/", evaluation.evaluations, name="evaluations"),
    path("operator/", dashboard.overview, name="operator"),
    path("operator/charts/<slug:chart>.csv", dashboard.overview_csv, name="operator-csv"),
    path(DASHBOARD, dashboard.dashboard, name="dashboard"),
    path(f"{DASHBOARD}charts/<slug:chart>.csv", dashboard.dashboard_csv, name="dashboard-csv"),
    path(FLEET_REPORTS, reports.fleet_reports, name="operator-reports"),
    path(f"{FLEET_REPORTS}<str:day>/", reports.fleet_report, name="operator-report"),
    path(f"{FLEET_REPORTS}<str:day>/csv/", reports.fleet_report_csv, name="operator-report-csv"),
    path(f"{FLEET_REPORTS}<str:day>/mail/", reports.fleet_report_mail, name="operator-report-mail"),
    path(REPORTS, reports.reports, name="reports"),
    path(f"{REPORTS}<str:day>/", reports.report, name="report"),
    path(f"{REPORTS}<str:day>/csv/", reports.report_csv, name="report-csv"),
    path(f"{REPORTS}<str:day>/mail/", reports.report_mail, name="report-mail"),
    path("t/<slug:slug>/traces/views/", saved_views.saved_views, name="saved-views"),
    *alert_pages(),
]
