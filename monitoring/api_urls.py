from __future__ import annotations

from django.urls import path

from monitoring.api import usage

urlpatterns = [
    path("usage/", usage.UsageView.as_view()),
]
