"""The public schema's numbers: what was asked, how fast, how good and what it cost. No customer text."""

from __future__ import annotations

from monitoring.models.alerts import (
    Alert,
    AlertMute,
    AlertRule,
    Notification,
    Notifier,
    SyncOutcome,
)
from monitoring.models.metrics import QueryMetric, RollupState
from monitoring.models.reports import DailyReport
from monitoring.models.usage import (
    DailySpending,
    DailyUsage,
    HourlySpending,
    HourlyUsage,
    RecentUsage,
    SpendingRow,
    TenantDay,
    TenantHour,
    TenantSums,
    TotalSpending,
    TotalUsage,
    UsageRow,
)
from monitoring.models.views import SavedView

__all__ = [
    "Alert",
    "AlertMute",
    "AlertRule",
    "DailyReport",
    "DailySpending",
    "DailyUsage",
    "HourlySpending",
    "HourlyUsage",
    "Notification",
    "Notifier",
    "QueryMetric",
    "RecentUsage",
    "RollupState",
    "SavedView",
    "SpendingRow",
    "SyncOutcome",
    "TenantDay",
    "TenantHour",
    "TenantSums",
    "TotalSpending",
    "TotalUsage",
    "UsageRow",
]
