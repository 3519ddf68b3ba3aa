"""The audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenants.models import AuditEvent

if TYPE_CHECKING:
    from tenants.context import TenantLike
    from tenants.models import User


def record_event(
    action: str,
    *,
    actor: User | str | None,
    tenant: TenantLike | None = None,
    target: str = "",
    using: str = "default",
    **detail: Any,
) -> None:
    """`actor` is a person, a key's label, or None for a command run on the machine itself."""
    AuditEvent.objects.using(using).create(
        action=action,
        actor=str(actor or "command line"),
        tenant_id=tenant.id if tenant else None,
        target=target[:200],
        detail=detail,
    )
