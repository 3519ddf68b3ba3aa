"""People of a tenant: invited, changed, removed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.db import transaction

from ragadmin.errors import Conflict, PermissionDenied
from tenants.audit import record_event
from tenants.grants import check_levels, check_role
from tenants.models import Membership, User
from tenants.services import add_member, create_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.grants import Granter
    from tenants.models import Tenant


@transaction.atomic
def invite_member(
    *, tenant: Tenant, email: str, role: str, access_levels: Sequence[str], granter: Granter
) -> tuple[Membership, str]:
    """Returns the membership and, for a person who is new here, the password they begin with."""
    check_role(granter, role)
    check_levels(granter, tenant, access_levels)
    user = User.objects.filter(email=email.strip().lower()).first()
    password = ""
    if user is None:
        password = secrets.token_urlsafe(12)
        user = create_user(email=email.strip(), password=password)
    elif Membership.objects.filter(tenant=tenant, user=user).exists():
        raise Conflict(
            f"{user.email} is a member already: change the role in the list.",
            code="already_member",
            extra={"field": "email"},
        )
    member = add_member(
        tenant=tenant, user=user, role=role, access_levels=access_levels, actor=granter.actor
    )
    return member, password


@transaction.atomic
def change_member(
    *, member: Membership, role: str, access_levels: Sequence[str], granter: Granter
) -> Membership:
    if granter.is_self(member.user):
        raise PermissionDenied(
            "You cannot change your own role or access levels: ask another owner or admin.",
            code="own_membership",
        )
    check_role(granter, member.role)
    check_role(granter, role)
    check_levels(granter, member.tenant, access_levels, held=member.access_levels)
    if role != Membership.Role.OWNER:
        _keep_an_owner(member)
    return add_member(
        tenant=member.tenant,
        user=member.user,
        role=role,
        access_levels=access_levels,
        actor=granter.actor,
    )


@transaction.atomic
def remove_member(*, member: Membership, granter: Granter) -> None:
    """Takes a person out of the tenant; one may also leave by oneself."""
    if not granter.is_self(member.user):
        check_role(granter, member.role)
    _keep_an_owner(member)
    member.delete()
    record_event(
        "member.removed", actor=granter.actor, tenant=member.tenant, target=member.user.email
    )


def _keep_an_owner(member: Membership) -> None:
    """Locks the owners, so that two who remove each other at once cannot leave none."""
    owners = (
        Membership.objects.select_for_update()
        .filter(tenant=member.tenant, role=Membership.Role.OWNER)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if list(owners) == [member.pk]:
        raise Conflict(
            f"{member.user.email} is the last owner: make somebody else an owner first.",
            code="last_owner",
        )
