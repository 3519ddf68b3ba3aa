"""Django's admin, for superusers: the raw rows of the public schema and beat's schedules.

Tenants' own tables are not in it: there is no tenant in force here. Most rows are only shown, because
changing them by hand would pass by what the console checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import Http404

from tenants.access import ask_to_sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class RawRows(admin.AdminSite):
    site_title = site_header = "ragadmin: raw rows"
    index_title = "Public tables"
    site_url = "/operator/"

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))

    def admin_view(
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        """For others the pages do not exist; whoever is nobody yet may sign in."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if self.has_permission(request):
                return inner(request, *args, **kwargs)
            if not request.user.is_authenticated:
                return ask_to_sign_in(request)
            raise Http404("This page is for superusers.")

        return guarded

    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return self.admin_view(self.index)(request)


class ShownRows(admin.ModelAdmin):
    """Rows to look at."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
