"""Writes about tenants and people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string

from ragadmin.errors import Conflict, InvalidRequest
from tenants import schema
from tenants.audit import record_event
from tenants.isolation.levels import isolation_of
from tenants.models import Membership, Tenant, User

if TYPE_CHECKING:
    from collections.abc import Sequence

SLUG = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
RESERVED_SLUGS = frozenset(
    {"admin", "api", "public", "operator", "static", "stream", "accounts", "extensions"}
)
# What a new tenant is offered; any other model that the installation can load may be named.
OFFERED_EMBEDDING_MODELS = (
    "local:all-MiniLM-L6-v2",
    "openai:text-embedding-3-small",
    "openai:text-embedding-3-large",
)


def create_tenant(
    *,
    slug: str,
    name: str = "",
    isolation: str = Tenant.Isolation.SCHEMA,
    embedding_model: str = "",
    actor: User | str | None = None,
    is_own: bool = False,
) -> Tenant:
    """Provisions a tenant, all in one transaction. Raises InvalidRequest, Conflict.

    `is_own`: the installation makes it for its own checks.
    """
    slug = slug.strip()
    check_slug(slug, is_own=is_own)
    level = isolation_of(isolation)
    model = embedding_model or settings.EMBEDDING_MODEL
    tenant = Tenant(
        slug=slug,
        name=name.strip() or slug,
        isolation=isolation,
        schema_name=level.schema_name(slug),
        embedding_model=model,
        embedding_dimension=embedding_dimension(model),
    )
    try:
        with transaction.atomic(using="owner"), schema.owner().cursor() as cursor:
            tenant.save(using="owner")
            level.provision(cursor, tenant)
            record_event("tenant.created", actor=actor, tenant=tenant, target=slug, using="owner")
    except IntegrityError:
        raise slug_taken(slug) from None
    return Tenant.objects.get(pk=tenant.pk)


def embedding_dimension(model: str) -> int:
    """Asks the embedders, which are above this package, by the name that the settings give.

    Raises InvalidRequest for an unknown model, ConfigurationError or ProviderError for one that
    cannot be used here.
    """
    return import_string(settings.EMBEDDING_DIMENSION_OF)(model)


def create_operator(*, email: str, password: str) -> User:
    user = create_user(email=email, password=password)
    User.objects.filter(pk=user.pk).update(is_operator=True, is_staff=True, is_superuser=True)
    record_event("operator.created", actor=None, target=user.email)
    user.refresh_from_db()
    return user


def create_user(*, email: str, password: str | None) -> User:
    user = User(email=User.objects.normalize_email(email).lower())
    user.set_password(password)
    try:
        user.full_clean()
        user.save()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidRequest(messages[0], extra={"field": field}) from None
    return user


def add_member(
    *,
    tenant: Tenant,
    user: User,
    role: str,
    access_levels: Sequence[str] = (),
    actor: User | str | None = None,
) -> Membership:
    """Adds a person, or changes the role and access levels of one who is there."""
    if role not in Membership.Role.values:
        raise InvalidRequest(
            f"A role is one of {', '.join(Membership.Role.values)}.", extra={"field": "role"}
        )
    member, _ = Membership.objects.update_or_create(
        tenant=tenant,
        user=user,
        defaults={"role": role, "access_levels": list(access_levels or tenant.access_levels)},
    )
    record_event("member.set", actor=actor, tenant=tenant, target=user.email, role=role)
    return member


def slug_taken(slug: str) -> Conflict:
    return Conflict(
        f"There is already a tenant {slug!r}: choose another slug.",
        code="slug_taken",
        extra={"field": "slug"},
    )


def check_slug(slug: str, *, is_own: bool = False) -> None:
    """Raises InvalidRequest."""
    if not SLUG.fullmatch(slug):
        raise InvalidRequest(
            "A slug has 3 to 40 characters: small letters a-z, digits and hyphens; "
            "it begins with a letter and does not end with a hyphen.",
            extra={"field": "slug"},
        )
    if slug in RESERVED_SLUGS:
        raise InvalidRequest(
            f"The slug {slug!r} is reserved: choose another.", extra={"field": "slug"}
        )
    if slug.startswith(Tenant.KEPT_PREFIXES) and not is_own:
        raise InvalidRequest(
            f"Slugs that begin with {' or '.join(Tenant.KEPT_PREFIXES)} are kept for ragadmin's own "
            "checks: choose another.",
            extra={"field": "slug"},
        )
