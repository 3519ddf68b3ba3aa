"""The public schema: people, tenants, keys and numbers. No customer text."""

from __future__ import annotations

from tenants.models.checks import IsolationComparison, IsolationRun
from tenants.models.people import ApiKey, AuditEvent, Membership, User, UserManager
from tenants.models.spending import (
    Budget,
    BudgetPeriod,
    BudgetReservation,
    ModelPrice,
    ModelRoute,
)
from tenants.models.tenant import (
    Provider,
    RowChange,
    Tenant,
    TenantMove,
    TenantQuerySet,
    default_access_levels,
)
from tenants.models.work import DocumentJob, EvaluationJob, SchemaVersion, SyncJob, SyncSchedule

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Budget",
    "BudgetPeriod",
    "BudgetReservation",
    "DocumentJob",
    "EvaluationJob",
    "IsolationComparison",
    "IsolationRun",
    "Membership",
    "ModelPrice",
    "ModelRoute",
    "Provider",
    "RowChange",
    "SchemaVersion",
    "SyncJob",
    "SyncSchedule",
    "Tenant",
    "TenantMove",
    "TenantQuerySet",
    "User",
    "UserManager",
    "default_access_levels",
]
