"""Who gives rights away, and therefore how much can be given: nobody more than they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragadmin.errors import InvalidRequest, PermissionDenied
from tenants.access import enter, has_role
from tenants.models import Membership, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenants.access import TenantHttpRequest
    from tenants.config import Caller
    from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Granter:
    actor: User | str
    role: str
    access_levels: tuple[str, ...]

    def is_self(self, user: User) -> bool:
        """Operators are above a tenant's roles, so the rule against changing oneself spares them."""
        return self.actor == user and not user.is_operator

    @property
    def person(self) -> User | None:
        return self.actor if isinstance(self.actor, User) else None


def granter_of_request(request: TenantHttpRequest) -> Granter:
    return Granter(request.user, request.role, request.access_levels)


def granter_of_caller(caller: Caller, user: object) -> Granter:
    """A key acts as an admin: it can never make an owner."""
    if not isinstance(user, User):
        return Granter(caller.label, Membership.Role.ADMIN, caller.access_levels)
    return Granter(user, enter(user, caller.tenant.slug).role, caller.access_levels)


def check_role(granter: Granter, role: str) -> None:
    if role not in Membership.Role.values:
        raise InvalidRequest(
            f"A role is one of {', '.join(Membership.Role.values)}.", extra={"field": "role"}
        )
    if not has_role(granter.role, role):
        raise PermissionDenied(
            f"Only an owner of the tenant can do this to the role {role}.",
            code="role_too_high",
            extra={"field": "role"},
        )


def check_levels(
    granter: Granter, tenant: Tenant, levels: Sequence[str], *, held: Iterable[str] = ()
) -> None:
    """`held`: levels that the other side has already, which stay allowed."""
    if not levels:
        raise InvalidRequest("Choose at least one access level.", extra={"field": "access_levels"})
    for level in levels:
        if level not in tenant.access_levels:
            raise InvalidRequest(
                f"The tenant has no access level {level!r}; "
                f"it has {', '.join(tenant.access_levels)}.",
                extra={"field": "access_levels"},
            )
        if level not in granter.access_levels and level not in held:
            raise PermissionDenied(
                f"You cannot give the access level {level}, because you do not have it yourself.",
                code="level_too_high",
                extra={"field": "access_levels"},
            )
