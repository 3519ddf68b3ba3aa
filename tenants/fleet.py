"""The fleet of tenants as its operator sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count, Q

from tenants.audit import record_event
from tenants.models import AuditEvent, SchemaVersion, Tenant

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tenants.models import User


def find_tenants(*, text: str = "", status: str = "") -> QuerySet[Tenant]:
    """Newest first, each with its number of members and of keys that are not revoked.

    Canaries only when they are asked for by their name.
    """
    wants_canaries = Tenant.CANARY_PREFIX.rstrip("-") in text.lower()
    every = Tenant.objects.all() if wants_canaries else Tenant.objects.customers()
    found = every.order_by("-created_at", "-pk")
    if text:
        found = found.filter(Q(slug__icontains=text) | Q(name__icontains=text))
    if status in Tenant.Status.values:
        found = found.filter(status=status)
    return found.annotate(
        member_count=Count("membership", distinct=True),
        key_count=Count("apikey", filter=Q(apikey__revoked_at=None), distinct=True),
    )


def schema_version(tenant: Tenant) -> str:
    row = SchemaVersion.objects.filter(schema_name=tenant.schema_name).first()
    return row.version if row else ""


def set_tenant_status(tenant: Tenant, status: Tenant.Status, *, actor: User) -> bool:
    """Suspended: nobody but operators comes in, no key works. True if it was otherwise before."""
    changed = Tenant.objects.filter(pk=tenant.pk).exclude(status=status).update(status=status)
    if changed:
        verb = "suspended" if status == Tenant.Status.SUSPENDED else "resumed"
        record_event(f"tenant.{verb}", actor=actor, tenant=tenant, target=tenant.slug)
    return bool(changed)


def find_events(*, action: str = "", tenant: str = "", text: str = "") -> QuerySet[AuditEvent]:
    found = AuditEvent.objects.select_related("tenant")
    if action:
        found = found.filter(action=action)
    if tenant:
        found = found.filter(tenant__slug=tenant)
    if text:
        found = found.filter(Q(actor__icontains=text) | Q(target__icontains=text))
    return found


def known_actions() -> list[str]:
    return list(AuditEvent.objects.order_by("action").values_list("action", flat=True).distinct())
