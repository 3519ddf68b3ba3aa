"""Whether, and when, a tenant's golden questions are asked by themselves. With the tenant in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from tenants.audit import record_event
from tenants.context import current_tenant
from tenants.models import Tenant

if TYPE_CHECKING:
    from tenants.models import User

# Spread over two hours by the tenant's id.
NEXT_NIGHT = """
(date_trunc('day', now() AT TIME ZONE timezone)
    + make_interval(days => 1, hours => 1, mins => mod(id, 120)::int)) AT TIME ZONE timezone
"""
SCHEDULE = f"""
UPDATE public.tenants_tenant SET evaluation_due_at = {NEXT_NIGHT}
WHERE id = %s AND evaluates_nightly AND evaluation_due_at IS NULL
"""  # noqa: S608 - of constants


def schedule_nights() -> None:
    """After a golden question was added, or is asked again. Changes nothing where the time is set, or nobody wants it."""
    with connection.cursor() as cursor:
        cursor.execute(SCHEDULE, [current_tenant().id])


def set_nights(*, is_on: bool, actor: User | str | None) -> None:
    tenant = Tenant.objects.select_for_update().get(pk=current_tenant().id)
    if tenant.evaluates_nightly == is_on:
        return
    tenant.evaluates_nightly = is_on
    if not is_on:
        tenant.evaluation_due_at = None
    tenant.save(update_fields=["evaluates_nightly", "evaluation_due_at"])
    if is_on:
        schedule_nights()
    record_event(
        "tenant.changed",
        actor=actor,
        tenant=tenant,
        target=tenant.slug,
        evaluates_nightly=[not is_on, is_on],
    )
