from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group

from tenants.models import (
    ApiKey,
    AuditEvent,
    Budget,
    BudgetPeriod,
    BudgetReservation,
    DocumentJob,
    EvaluationJob,
    IsolationRun,
    Membership,
    ModelPrice,
    ModelRoute,
    Provider,
    SchemaVersion,
    SyncJob,
    SyncSchedule,
    Tenant,
    TenantMove,
    User,
)
from tenants.raw_rows import ShownRows

# Registered by their own apps, to be changed by hand: here people have roles and no groups, and
# addresses are changed where they are checked.
admin.site.unregister([EmailAddress, Group])


@admin.register(Tenant)
class TenantRows(ShownRows):
    list_display = ("slug", "name", "isolation", "status", "embedding_model", "created_at")
    list_filter = ("isolation", "status")
    search_fields = ("slug", "name")


@admin.register(User)
class UserRows(ShownRows):
    list_display = ("email", "is_operator", "is_active", "last_login")
    search_fields = ("email",)
    exclude = ("password",)


@admin.register(Membership)
class MembershipRows(ShownRows):
    list_display = ("tenant", "user", "role", "access_levels")
    list_select_related = ("tenant", "user")


@admin.register(ApiKey)
class ApiKeyRows(ShownRows):
    list_display = (
        "name",
        "prefix",
        "tenant",
        "scopes",
        "created_at",
        "last_used_at",
        "revoked_at",
    )
    list_select_related = ("tenant",)
    exclude = ("key_hash",)


@admin.register(Provider)
class ProviderRows(ShownRows):
    list_display = ("name", "base_url", "small_model", "large_model", "is_default")
    exclude = ("api_key_encrypted",)


@admin.register(ModelRoute)
class ModelRouteRows(ShownRows):
    list_display = ("tenant", "tier", "position", "provider", "model")
    list_filter = ("tier",)
    list_select_related = ("tenant", "provider")


@admin.register(ModelPrice)
class ModelPriceRows(ShownRows):
    list_display = ("model", "tenant", "unit", "input_usd", "output_usd", "updated_at")
    list_select_related = ("tenant",)
    search_fields = ("model",)


@admin.register(Budget)
class BudgetRows(ShownRows):
    list_display = ("tenant", "api_key", "period", "amount_usd", "updated_at")
    list_filter = ("period",)
    list_select_related = ("tenant", "api_key")


@admin.register(BudgetPeriod)
class BudgetPeriodRows(ShownRows):
    list_display = ("budget", "starts_on", "spent_usd", "reserved_usd")
    list_select_related = ("budget",)


@admin.register(BudgetReservation)
class BudgetReservationRows(ShownRows):
    list_display = ("answer_id", "period", "amount_usd", "expires_at")
    list_select_related = ("period",)


@admin.register(SyncSchedule)
class SyncScheduleRows(ShownRows):
    list_display = ("tenant", "source_id", "rhythm", "is_paused", "next_run_at")
    list_filter = ("is_paused",)
    list_select_related = ("tenant", "interval", "crontab")

    @admin.display(description="interval or crontab")
    def rhythm(self, row: Any) -> str:
        return str(row.interval or row.crontab)


@admin.register(SyncJob)
class SyncJobRows(ShownRows):
    list_display = ("tenant", "source_id", "run_id", "attempts", "available_at", "lease_holder")
    list_select_related = ("tenant",)


@admin.register(DocumentJob)
class DocumentJobRows(ShownRows):
    list_display = ("tenant", "document_id", "priority", "attempts", "available_at", "lease_holder")
    list_select_related = ("tenant",)


@admin.register(EvaluationJob)
class EvaluationJobRows(ShownRows):
    list_display = ("tenant", "evaluation_id", "attempts", "available_at", "lease_holder")
    list_select_related = ("tenant",)


@admin.register(AuditEvent)
class AuditEventRows(ShownRows):
    list_display = ("at", "actor", "action", "target", "tenant")
    list_filter = ("action",)
    list_select_related = ("tenant",)


@admin.register(SchemaVersion)
class SchemaVersionRows(ShownRows):
    list_display = ("schema_name", "version", "migrated_at")


@admin.register(TenantMove)
class TenantMoveRows(ShownRows):
    list_display = ("tenant", "from_isolation", "to_isolation", "status", "started_at")
    list_select_related = ("tenant",)


@admin.register(IsolationRun)
class IsolationRunRows(ShownRows):
    list_display = ("started_at", "finished_at", "probes", "leaks", "errors")
