"""Usage and spending as a roll-up leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from monitoring.histograms import Histogram, bucket_of
from monitoring.models import (
    DailySpending,
    DailyUsage,
    HourlySpending,
    HourlyUsage,
    TenantDay,
    TenantHour,
)


def this_hour():
    return timezone.now().replace(minute=0, second=0, microsecond=0)


def midnight(days_ago=0):
    return datetime.combine(timezone.now() - timedelta(days=days_ago), datetime.min.time(), UTC)


def add_usage(tenant_id, at, *, questions=1, cost="0.5", model="m", cache="none", by="day", **more):
    kind = DailyUsage if by == "day" else HourlyUsage
    day = {} if by == "day" else {"day": at.replace(hour=0)}
    latency = Histogram()
    latency.add(bucket_of(120.0), questions)
    kind.objects.create(
        tenant_id=tenant_id,
        starts_at=at,
        model=model,
        cache=cache,
        questions=questions,
        cost_usd=Decimal(cost),
        latency=latency.pack(),
        **day,
        **more,
    )
    if tenant_id:
        add_tenant_sums(tenant_id, at, questions, Decimal(cost), cache != "none", day, **more)


def add_tenant_sums(tenant_id, at, questions, cost, is_hit, day, **more):
    """What tenants are compared by."""
    kind = TenantHour if day else TenantDay
    row, _ = kind.objects.get_or_create(tenant_id=tenant_id, starts_at=at, defaults=day)
    added = {"questions": questions, "cost_usd": cost, "hits": questions * is_hit, **more}
    for name in ("questions", "cost_usd", "hits", "errors", "unpriced", "up", "down"):
        setattr(row, name, getattr(row, name) + added.get(name, 0))
    row.save()


def add_spending(
    tenant_id, at, component, *, cost="0", model="m", provider="openai", by="day", **more
):
    kind = DailySpending if by == "day" else HourlySpending
    kind.objects.create(
        tenant_id=tenant_id,
        starts_at=at,
        component=component,
        provider=provider,
        model=model,
        cost_usd=Decimal(cost),
        **({"calls": 1} | more),
    )
