"""When a tenant's golden questions are asked by themselves: every night, between one and three by its
own clock, each tenant at its own minute.

The tenant's row says when, so that what is due is found without entering any tenant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from retrieval.models import GoldenQuestion
from retrieval.services.golden_nights import NEXT_NIGHT
from tenants.models import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_A_TIME = 100
CLAIM_DUE = f"""
UPDATE public.tenants_tenant SET evaluation_due_at = {NEXT_NIGHT} WHERE id IN (
    SELECT id FROM public.tenants_tenant
    WHERE evaluation_due_at <= now() AND evaluates_nightly AND status = 'active'
    ORDER BY evaluation_due_at LIMIT {AT_A_TIME} FOR UPDATE SKIP LOCKED)
RETURNING id
"""  # noqa: S608 - of constants


def claim_due() -> Iterator[Tenant]:
    """Tenants whose time has come; the next one is set, so that a night is never begun twice."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_DUE)
        ids = [row[0] for row in cursor.fetchall()]
    yield from Tenant.objects.filter(pk__in=ids)


def has_questions() -> bool:
    return GoldenQuestion.objects.filter(is_active=True).exists()


def forget(tenant: Tenant) -> None:
    """Until a golden question is added again."""
    Tenant.objects.filter(pk=tenant.pk).update(evaluation_due_at=None)
