from __future__ import annotations

from django.urls import path

from monitoring.views import dashboard

DASHBOARD = "t/<slug:slug>/dashboard/"

urlpatterns = [
    path("operator/", dashboard.overview, name="operator"),
    path("operator/charts/<slug:chart>.csv", dashboard.overview_csv, name="operator-csv"),
    path(DASHBOARD, dashboard.dashboard, name="dashboard"),
    path(f"{DASHBOARD}charts/<slug:chart>.csv", dashboard.dashboard_csv, name="dashboard-csv"),
]
