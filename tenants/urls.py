from __future__ import annotations

from django.urls import path

from tenants.views import (
    archives,
    budgets,
    fleet,
    home,
    installation,
    keys,
    members,
    moves,
    operator,
    prices,
    providers,
    settings,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("operator/tenants/", operator.tenants, name="operator-tenants"),
    path("operator/new-tenant/", operator.new_tenant, name="operator-new-tenant"),
    path("operator/tenants/<slug:slug>/", operator.tenant, name="operator-tenant"),
    path(
        "operator/tenants/<slug:slug>/members/",
        operator.add_tenant_member,
        name="operator-tenant-members",
    ),
    path(
        "operator/tenants/<slug:slug>/status/",
        operator.change_tenant_status,
        name="operator-tenant-status",
    ),
    path("operator/tenants/<slug:slug>/move/", moves.move, name="operator-tenant-move"),
    path(
        "operator/tenants/<slug:slug>/move/state/",
        moves.move_state,
        name="operator-tenant-move-state",
    ),
    path(
        "operator/tenants/<slug:slug>/move/cancel/",
        moves.cancel,
        name="operator-tenant-move-cancel",
    ),
    path("operator/tenants/<slug:slug>/delete/", archives.delete, name="operator-tenant-delete"),
    path("operator/tenants/<slug:slug>/export/", archives.export, name="operator-tenant-export"),
    path(
        "operator/tenants/<slug:slug>/export/state/",
        archives.export_state,
        name="operator-tenant-export-state",
    ),
    path(
        "operator/tenants/<slug:slug>/export/file/",
        archives.download_export,
        name="operator-tenant-export-file",
    ),
    path("operator/import/", archives.import_, name="operator-import-tenant"),
    path("operator/import/<uuid:number>/", archives.import_state, name="operator-import"),
    path("operator/models/", providers.models, name="operator-models"),
    path("operator/models/new/", providers.edit_model, name="operator-new-model"),
    path("operator/models/test/", providers.test_environment, name="operator-test-environment"),
    path("operator/models/<int:pk>/", providers.edit_model, name="operator-model"),
    path("operator/models/<int:pk>/test/", providers.test_model, name="operator-test-model"),
    path(
        "operator/models/<int:pk>/default/",
        providers.make_model_default,
        name="operator-default-model",
    ),
    path("operator/models/<int:pk>/delete/", providers.delete_model, name="operator-delete-model"),
    path("operator/prices/", prices.prices, name="operator-prices"),
    path("operator/prices/remove/", prices.remove, name="operator-remove-price"),
    path("operator/fleet/", fleet.fleet, name="operator-fleet"),
    path("operator/services/", installation.services, name="operator-services"),
    path("operator/audit/", installation.audit, name="operator-audit"),
    path("t/<slug:slug>/keys/", keys.keys, name="keys"),
    path("t/<slug:slug>/keys/<uuid:key_id>/revoke/", keys.revoke_key, name="key-revoke"),
    path("t/<slug:slug>/members/", members.members, name="members"),
    path("t/<slug:slug>/members/<int:member_id>/", members.member, name="member"),
    path("t/<slug:slug>/members/<int:member_id>/remove/", members.remove, name="member-remove"),
    path("t/<slug:slug>/settings/", settings.tenant_settings, name="tenant-settings"),
    path("t/<slug:slug>/settings/search/", settings.search_settings, name="settings-search"),
    path("t/<slug:slug>/settings/budget/", budgets.budget_settings, name="settings-budget"),
]
