"""Usage as it was measured, rules, and who is told: what every test of alerts begins with."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from monitoring.histograms import Histogram
from monitoring.models import AlertRule, Notification, Notifier, RecentUsage
from monitoring.recent import step_of
from tenants.secrets import encrypt
from tenants.services import create_tenant

if TYPE_CHECKING:
    from tenants.models import Tenant

# Of no test's own rows but these: figures of the present would be mixed with those of other tests.
NOON = datetime(2031, 3, 5, 12, 0, tzinfo=UTC)


@contextmanager
def own_rules():
    """No rules but the test's own; the default ones are there again for all others."""
    AlertRule.objects.filter(built_in="").delete()
    AlertRule.objects.update(is_enabled=False)
    yield
    AlertRule.objects.filter(built_in="").delete()
    AlertRule.objects.update(is_enabled=True)
    Notifier.objects.all().delete()
    RecentUsage.objects.filter(starts_at__gt=NOON - timedelta(days=30)).delete()


def make_tenants(count: int) -> list[Tenant]:
    return [create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}") for _ in range(count)]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


BEFORE_NOON = NOON - minutes(5)


def used(tenant, at=BEFORE_NOON, *, latency=(), similarity=(), **counts) -> RecentUsage:
    """Five minutes of a tenant, or of the fleet (None)."""
    values = {"questions": 100, "cache": "none", "model": "large"} | counts
    return RecentUsage.objects.create(
        tenant_id=tenant and tenant.pk,
        starts_at=step_of(at),
        latency=Histogram.of(latency).pack(),
        similarity_sum=Decimal(str(sum(similarity))),
        similarity_count=len(similarity),
        **values,
    )


def make_rule(tenant=None, **values) -> AlertRule:
    defaults = {
        "name": "Too many errors",
        "metric": "error_rate",
        "window_minutes": 15,
        "comparison": "above",
        "alert_threshold": 0.2,
    }
    return AlertRule.objects.create(tenant=tenant, **(defaults | values))


def make_notifier(tenant=None, *, kind="email", url="", secret="", **values) -> Notifier:
    defaults = {"name": f"n-{uuid.uuid4().hex[:8]}", "target": "ops@example.com"}
    return Notifier.objects.create(
        tenant=tenant,
        kind=kind,
        url_encrypted=encrypt(url) if url else "",
        secret_encrypted=encrypt(secret) if secret else "",
        **(defaults | values),
    )


def told(notifier) -> list[tuple[str, str]]:
    """What a notifier was told, oldest first: (event, tenant)."""
    rows = Notification.objects.filter(notifier=notifier).order_by("created_at", "pk")
    return [
        (one["event"], one["tenant"]["slug"] if one["tenant"] else "fleet")
        for row in rows
        for one in row.payload.get("alerts", ())
    ]
