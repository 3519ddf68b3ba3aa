"""Who has to do with a tenant, by email: ids of people mean others in another installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenants.archive.manifest import ArchiveError
from tenants.archive.spending import describe_limits
from tenants.models import ApiKey, Membership, User

if TYPE_CHECKING:
    from tenants.models import Tenant


def describe_people(tenant: Tenant, asked: set[int]) -> dict[str, Any]:
    """`asked` are the ids of those who asked questions, members or not."""
    members = Membership.objects.filter(tenant=tenant).select_related("user").order_by("pk")
    people = User.objects.filter(pk__in=asked | {member.user.pk for member in members})
    return {
        "members": [
            {"email": each.user.email, "role": each.role, "access_levels": each.access_levels}
            for each in members
        ],
        "people": [{"id": user.pk, "email": user.email} for user in people.order_by("pk")],
        "api_keys": [
            {
                "name": key.name,
                "scopes": key.scopes,
                "access_levels": key.access_levels,
                **describe_limits(key),
            }
            for key in ApiKey.objects.filter(tenant=tenant, revoked_at=None).order_by("created_at")
        ],
    }


@dataclass(frozen=True, slots=True)
class People:
    """`ids` leads from the archive's ids of people to those of the same emails here.

    `members` are known here, and lack their tenant.
    """

    ids: dict[int, int]
    members: list[Membership]
    unknown: int


def find_people(values: Any, tenant: Tenant) -> People:
    """`tenant` need not be saved yet. Raises ArchiveError."""
    try:
        emails = {int(each["id"]): str(each["email"]).lower() for each in values["people"]}
        members = [
            (str(each["email"]).lower(), each["role"], list(each["access_levels"]))
            for each in values["members"]
        ]
        if any(role not in Membership.Role.values for _, role, _ in members):
            raise ValueError("role")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArchiveError("The archive's access.json cannot be read.") from error
    wanted = {*emails.values(), *(email for email, _, _ in members)}
    here = {user.email: user for user in User.objects.filter(email__in=wanted)}
    return People(
        ids={old: here[email].pk for old, email in emails.items() if email in here},
        members=[
            Membership(
                user_id=here[email].pk,
                role=role,
                access_levels=[level for level in levels if level in tenant.access_levels],
            )
            for email, role, levels in members
            if email in here
        ],
        unknown=sum(email not in here for email, _, _ in members),
    )
