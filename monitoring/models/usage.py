"""The ledger summed up: by five minutes, hour and day, and in all; of a tenant, or of the fleet.

Every row holds sums only, so that any rows can be added up into those of a longer time or of more
models. `tenant_id` null is the fleet. Hours and days of a tenant are those of its own time zone, those
of the fleet are UTC's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models


def _usd() -> Any:
    return models.DecimalField(max_digits=20, decimal_places=9, default=Decimal(0))


class UsageRow(models.Model):
    """Answers of one model that came from one layer of the cache (or "none") in a stretch of time."""

    tenant_id = models.BigIntegerField(null=True)
    starts_at = models.DateTimeField()
    model = models.CharField(max_length=120)
    cache = models.CharField(max_length=10)
    questions = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    abstained = models.BigIntegerField(default=0)
    degraded = models.BigIntegerField(default=0)
    simulated = models.BigIntegerField(default=0)
    unpriced = models.BigIntegerField(default=0)
    passages = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    saved_tokens = models.BigIntegerField(default=0)
    cost_usd = _usd()
    saved_cache_usd = _usd()
    saved_routing_usd = _usd()
    saved_compression_usd = _usd()
    up = models.BigIntegerField(default=0)
    down = models.BigIntegerField(default=0)
    samples = models.BigIntegerField(default=0)
    false_hits = models.BigIntegerField(default=0)
    # Of answers that rest on passages: average similarities, to four places, and how many.
    similarity_sum = models.DecimalField(max_digits=18, decimal_places=4, default=Decimal(0))
    similarity_count = models.BigIntegerField(default=0)
    # Packed monitoring.histograms.Histogram of ms, ms, and similarity.
    latency = models.BinaryField(default=b"")
    first_token = models.BinaryField(default=b"")
    similarity = models.BinaryField(default=b"")

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "starts_at", "model", "cache"],
                name="%(class)s_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at} {self.model} {self.cache}: {self.questions}"


class RecentUsage(UsageRow):
    """Five minutes each, kept for some days: what alerts look at."""

    class Meta(UsageRow.Meta):
        indexes = [models.Index(fields=["starts_at"], name="recent_usage_times")]


class HourlyUsage(UsageRow):
    # The day of the tenant that the hour belongs to.
    day = models.DateTimeField()

    class Meta(UsageRow.Meta):
        indexes = [models.Index(fields=["starts_at"], name="hourly_usage_times")]


class DailyUsage(UsageRow):
    class Meta(UsageRow.Meta):
        indexes = [models.Index(fields=["starts_at"], name="daily_usage_times")]


class TotalUsage(UsageRow):
    """Of the fleet since the installation began; never goes down. `starts_at` is the year 1970's first."""


class TenantSums(models.Model):
    """All of one tenant in a stretch of time, in a narrow row: what thousands of tenants are compared by.

    Those of the fleet are found by adding these up, so it has none of its own.
    """

    tenant_id = models.BigIntegerField()
    starts_at = models.DateTimeField()
    questions = models.BigIntegerField(default=0)
    hits = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    unpriced = models.BigIntegerField(default=0)
    up = models.BigIntegerField(default=0)
    down = models.BigIntegerField(default=0)
    cost_usd = _usd()

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["starts_at", "tenant_id"], name="%(class)s_once")
        ]

    def __str__(self) -> str:
        return f"{self.starts_at} of {self.tenant_id}: {self.questions}"


class TenantHour(TenantSums):
    # The day of the tenant that the hour belongs to.
    day = models.DateTimeField()

    class Meta(TenantSums.Meta):
        indexes = [models.Index(fields=["tenant_id", "starts_at"], name="tenant_hours")]


class TenantDay(TenantSums):
    class Meta(TenantSums.Meta):
        indexes = [models.Index(fields=["tenant_id", "starts_at"], name="tenant_days")]


class SpendingRow(models.Model):
    """Paid calls of one component to one model in a stretch of time.

    `component` is one of retrieval.types.COST_COMPONENTS, or what was paid for beside the answers:
    `shadow` (checks of cache hits), `evaluation`, `lookup`, `diagnosis`, `indexing`.
    """

    tenant_id = models.BigIntegerField(null=True)
    starts_at = models.DateTimeField()
    component = models.CharField(max_length=20)
    provider = models.CharField(max_length=120)
    model = models.CharField(max_length=120)
    calls = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    # Of calls with a known price; `unpriced` counts the others.
    cost_usd = _usd()
    unpriced = models.BigIntegerField(default=0)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "starts_at", "component", "provider", "model"],
                name="%(class)s_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at} {self.component} {self.model}: {self.cost_usd}"


class HourlySpending(SpendingRow):
    class Meta(SpendingRow.Meta):
        indexes = [models.Index(fields=["starts_at"], name="hourly_spending_times")]


class DailySpending(SpendingRow):
    class Meta(SpendingRow.Meta):
        indexes = [models.Index(fields=["starts_at"], name="daily_spending_times")]


class TotalSpending(SpendingRow):
    """Of the fleet since the installation began."""
