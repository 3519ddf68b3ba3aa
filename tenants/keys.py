"""API keys: made once, shown once, stored as a hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header

from ragadmin.errors import InvalidRequest, NotAuthenticated
from tenants.access import OperatorCaller, caller_of_key
from tenants.audit import record_event
from tenants.grants import check_levels
from tenants.models import ApiKey
from tenants.secrets import hash_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.request import Request

    from tenants.config import Caller
    from tenants.grants import Granter
    from tenants.models import Tenant, User

TENANT_SCOPES = ("query", "ingest", "admin")
OPERATOR_SCOPE = "operator"
LONGEST_NAME = 100
MOST_QUESTIONS = 1_000_000  # a minute
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Stands where a person would: whoever holds the key."""

    key: ApiKey
    is_authenticated: bool = True
    is_active: bool = True

    def __str__(self) -> str:
        return str(self.key)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <api key>`."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, Caller | OperatorCaller] | None:
        scheme, _, key = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        row = find_key(key.strip())
        caller = caller_of_key(row)
        note_use(row)
        return KeyHolder(row), caller

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="ragadmin"'


def find_key(key: str) -> ApiKey:
    """Says the same of an unknown and of a revoked key."""
    row = (
        ApiKey.objects.select_related("tenant__provider")
        .filter(key_hash=hash_key(key), revoked_at=None)
        .first()
    )
    if row is None:
        raise NotAuthenticated(
            "This API key is unknown or revoked: create one on the keys page.",
            code="invalid_api_key",
        )
    return row


def note_use(row: ApiKey) -> None:
    """At most one write a minute, however many requests a key makes."""
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)


def create_api_key(
    *,
    tenant: Tenant | None,
    name: str,
    scopes: Sequence[str],
    access_levels: Sequence[str] = (),
    questions_per_minute: int | None = None,
    created_by: User | None = None,
    actor: str = "",
) -> tuple[ApiKey, str]:
    """Returns the row and the key itself, which is kept nowhere. No tenant: an operator's key.

    `actor` names who asked when it was not a person.
    """
    name = name.strip()
    _check(tenant, name, scopes, access_levels)
    _check_limit(questions_per_minute)
    key = f"rag-{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        tenant=tenant,
        name=name,
        prefix=key[:12],
        key_hash=hash_key(key),
        scopes=list(scopes),
        access_levels=list(access_levels or (tenant.access_levels if tenant else ())),
        questions_per_minute=questions_per_minute,
        created_by=created_by,
    )
    record_event(
        "api_key.created",
        actor=created_by or actor or None,
        tenant=tenant,
        target=name,
        prefix=row.prefix,
        scopes=row.scopes,
        questions_per_minute=questions_per_minute,
    )
    return row, key


def limit_key(row: ApiKey, questions_per_minute: int | None, *, actor: User | str | None) -> None:
    """How many questions a minute may be asked with it; None: no more than with the tenant's others."""
    _check_limit(questions_per_minute)
    before = row.questions_per_minute
    row.questions_per_minute = questions_per_minute
    row.save(update_fields=["questions_per_minute"])
    if before != questions_per_minute:
        changed = [before, questions_per_minute]
        record_event(
            "api_key.limited", actor=actor, tenant=row.tenant, target=row.name, prefix=row.prefix,
            questions_per_minute=changed,
        )  # fmt: skip


def issue_key(
    *,
    tenant: Tenant,
    name: str,
    scopes: Sequence[str],
    access_levels: Sequence[str],
    granter: Granter,
    questions_per_minute: int | None = None,
) -> tuple[ApiKey, str]:
    """A key made by somebody of the tenant: it opens no more than they can open themselves."""
    check_levels(granter, tenant, access_levels)
    return create_api_key(
        tenant=tenant,
        name=name,
        scopes=scopes,
        access_levels=access_levels,
        questions_per_minute=questions_per_minute,
        created_by=granter.person,
        actor=str(granter.actor),
    )


def revoke_api_key(row: ApiKey, *, actor: User | str | None) -> None:
    """Safe to repeat. Every process refuses the key within two seconds."""
    if ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record_event(
            "api_key.revoked", actor=actor, tenant=row.tenant, target=row.name, prefix=row.prefix
        )


def _check(
    tenant: Tenant | None, name: str, scopes: Sequence[str], access_levels: Sequence[str]
) -> None:
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidRequest(
            f"Give the key a name of at most {LONGEST_NAME} characters.", extra={"field": "name"}
        )
    allowed = TENANT_SCOPES if tenant else (OPERATOR_SCOPE,)
    wrong = [scope for scope in scopes if scope not in allowed]
    if wrong or not scopes:
        raise InvalidRequest(
            f"Scopes are one or more of {', '.join(allowed)}.", extra={"field": "scopes"}
        )
    unknown = [level for level in access_levels if tenant and level not in tenant.access_levels]
    if tenant and unknown:
        raise InvalidRequest(
            f"The tenant has no access level {unknown[0]!r}; it has {', '.join(tenant.access_levels)}.",
            extra={"field": "access_levels"},
        )


def _check_limit(questions_per_minute: int | None) -> None:
    if questions_per_minute is not None and not 0 < questions_per_minute <= MOST_QUESTIONS:
        raise InvalidRequest(
            f"questions_per_minute is a whole number from 1 to {MOST_QUESTIONS:,}; null: no limit.",
            extra={"field": "questions_per_minute"},
        )
