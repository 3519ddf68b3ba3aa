"""Where a tenant's rows are, or shall be."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.models import Tenant


def tenant_at(tenant: Tenant, isolation: str, schema_name: str) -> Tenant:
    """The tenant as if it were there: for the isolation levels, which provision and remove."""
    place = copy(tenant)
    place.isolation, place.schema_name = isolation, schema_name
    return place
