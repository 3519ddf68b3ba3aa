from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class RawRowsConfig(AdminConfig):
    """Django's admin with the rules of tenants.raw_rows."""

    default = False
    default_site = "tenants.raw_rows.RawRows"
