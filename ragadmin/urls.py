from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from monitoring.views.metrics import metrics
from ragadmin import health_views
from ragadmin.drf import UnknownRoute

OPEN_TO_ALL = {"permission_classes": (), "authentication_classes": ()}

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health_views.live),
    path("readyz", health_views.ready),
    path("metrics", metrics, name="metrics"),
    path("django-admin/", admin.site.urls),
    path("accounts/", include("tenants.account_urls")),
    path("api/schema/", SpectacularAPIView.as_view(**OPEN_TO_ALL), name="api-schema"),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(
            url_name="api-schema", template_name="api_docs.html", **OPEN_TO_ALL
        ),
        name="api-docs",
    ),
    path("api/v1/", include("tenants.api_urls")),
    path("api/v1/", include("monitoring.api_urls")),
    path("api/v1/", include("retrieval.api_urls")),
    re_path(r"^api/", UnknownRoute.as_view()),
    path("", include("tenants.urls")),
    path("", include("monitoring.urls")),
    path("", include("retrieval.urls")),
]

handler404 = "ragadmin.drf.page_not_found"
handler500 = "ragadmin.drf.server_error"
