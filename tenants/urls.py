from __future__ import annotations

from django.urls import path

from tenants.views import home, operator

urlpatterns = [
    path("", home.home, name="home"),
    path("operator/", operator.tenants, name="operator"),
]
