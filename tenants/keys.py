"""API keys: made once, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from django.utils import timezone

from ragadmin.errors import InvalidRequest
from tenants.audit import record_event
from tenants.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.models import Tenant, User

TENANT_SCOPES = ("query", "ingest", "admin")
OPERATOR_SCOPE = "operator"


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def create_api_key(
    *,
    tenant: Tenant | None,
    name: str,
    scopes: Sequence[str],
    access_levels: Sequence[str] = (),
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Returns the row and the key itself, which is kept nowhere. No tenant: an operator's key."""
    _check(tenant, scopes, access_levels)
    key = f"rag-{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        tenant=tenant,
        name=name,
        prefix=key[:12],
        key_hash=hash_key(key),
        scopes=list(scopes),
        access_levels=list(access_levels or (tenant.access_levels if tenant else ())),
        created_by=created_by,
    )
    record_event("api_key.created", actor=created_by, tenant=tenant, target=name)
    return row, key


def revoke_api_key(row: ApiKey, *, actor: User | None) -> None:
    ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now())
    record_event("api_key.revoked", actor=actor, tenant=row.tenant, target=row.name)


def _check(tenant: Tenant | None, scopes: Sequence[str], access_levels: Sequence[str]) -> None:
    allowed = TENANT_SCOPES if tenant else (OPERATOR_SCOPE,)
    wrong = [scope for scope in scopes if scope not in allowed]
    if wrong or not scopes:
        raise InvalidRequest(
            f"Scopes are one or more of {', '.join(allowed)}.", extra={"field": "scopes"}
        )
    unknown = [level for level in access_levels if tenant and level not in tenant.access_levels]
    if unknown:
        raise InvalidRequest(
            f"The tenant has no access level {unknown[0]!r}; it has {', '.join(tenant.access_levels)}.",
            extra={"field": "access_levels"},
        )
