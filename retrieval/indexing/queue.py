"""Documents waiting to be indexed, as rows. Celery only executes; what is to be done stands here.

A claim is a lease: it ends by itself when its worker dies, and a worker that lost it must not
store. Rows are locked in the order document, job, tenant's chunks (store.py), tenant everywhere.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models.functions import Now

from ragadmin.errors import Conflict
from tenants.models import DocumentJob, Tenant

if TYPE_CHECKING:
    from uuid import UUID

    from tenants.context import TenantLike

LEASE_SECONDS = 60
MAX_ATTEMPTS = 5
# After a failure that may pass: 15 s, 1, 4 and 16 minutes.
FIRST_DELAY_SECONDS = 15

_CLAIMABLE = "available_at <= now() AND (lease_until IS NULL OR lease_until < now())"
# In two steps, so that each is an index probe: one tenant's 100,000 jobs are never sorted.
_NEXT_TENANTS = f"""
SELECT id FROM public.tenants_tenant tenant
WHERE status = 'active' AND EXISTS (
    SELECT FROM public.tenants_documentjob WHERE tenant_id = tenant.id AND {_CLAIMABLE})
ORDER BY last_served_at NULLS FIRST, id LIMIT 20
"""  # noqa: S608 - of constants
_CLAIM = f"""
UPDATE public.tenants_documentjob SET
    attempts = attempts + 1, lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(seconds)s)
WHERE id = (
    SELECT id FROM public.tenants_documentjob WHERE tenant_id = %(tenant)s AND {_CLAIMABLE}
    ORDER BY available_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, document_id, attempts
"""  # noqa: S608 - of constants
_CLAIM_ONE = f"""
UPDATE public.tenants_documentjob SET
    attempts = attempts + 1, lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(seconds)s)
WHERE tenant_id = %(tenant)s AND document_id = %(document)s AND {_CLAIMABLE}
RETURNING id, attempts
"""  # noqa: S608 - of constants
_ENQUEUE = """
INSERT INTO public.tenants_documentjob AS job (tenant_id, document_id) VALUES (%s, %s)
ON CONFLICT (tenant_id, document_id) DO UPDATE SET
    available_at = now(),
    attempts = CASE WHEN job.lease_until > now() THEN job.attempts ELSE 0 END
"""


class LeaseLost(Conflict):
    """The lease ended and the document is another worker's now, or nobody's."""

    code = "lease_lost"


@dataclass(frozen=True, slots=True)
class Claim:
    """`holder` is new with each claim: the name of the worker and a random part."""

    job_id: int
    tenant: Tenant
    document_id: UUID
    holder: str
    attempts: int


def enqueue(tenant: TenantLike, document_id: UUID) -> None:
    """In the transaction that changes the document. One being indexed is indexed again after."""
    with connection.cursor() as cursor:
        cursor.execute(_ENQUEUE, [tenant.id, document_id])


def claim_next(worker: str) -> Claim | None:
    """The next document of the least recently served tenant that is not suspended."""
    holder = _new_holder(worker)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NEXT_TENANTS)
        for (tenant_id,) in cursor.fetchall():
            cursor.execute(
                _CLAIM, {"holder": holder, "seconds": LEASE_SECONDS, "tenant": tenant_id}
            )
            row = cursor.fetchone()
            if row is not None:
                job_id, document_id, attempts = row
                Tenant.objects.filter(pk=tenant_id).update(last_served_at=Now())
                tenant = Tenant.objects.get(pk=tenant_id)
                return Claim(job_id, tenant, document_id, holder, attempts)
    return None


def claim_document(tenant: Tenant, document_id: UUID, worker: str) -> Claim | None:
    """This document and no other, out of turn. None: it is not waiting, or somebody else's by now."""
    holder = _new_holder(worker)
    values = {"holder": holder, "seconds": LEASE_SECONDS, "tenant": tenant.pk}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_ONE, values | {"document": document_id})
        row = cursor.fetchone()
    return Claim(row[0], tenant, document_id, holder, row[1]) if row else None


def has_claimable() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({_NEXT_TENANTS})")
        return cursor.fetchone() == (True,)


def renew(claim: Claim, seconds: float = LEASE_SECONDS) -> None:
    """Raises LeaseLost."""
    until = Now() + timedelta(seconds=seconds)
    if not _own(claim).update(lease_until=until):
        raise LeaseLost("The lease on this document ended.")


def hold(claim: Claim) -> None:
    """Locks the job until the transaction ends. Raises LeaseLost."""
    if _own(claim).select_for_update().first() is None:
        raise LeaseLost("The lease on this document ended.")


def finish(claim: Claim) -> None:
    _own(claim).delete()


def put_back(claim: Claim) -> None:
    """To be done again at once: the document changed meanwhile."""
    _own(claim).update(attempts=0, available_at=Now(), lease_until=None, lease_holder="")


def put_off(claim: Claim) -> None:
    delay = timedelta(seconds=FIRST_DELAY_SECONDS * 4 ** (claim.attempts - 1))
    _own(claim).update(available_at=Now() + delay, lease_until=None, lease_holder="")


def remove(tenant: TenantLike, document_id: UUID) -> None:
    DocumentJob.objects.filter(tenant_id=tenant.id, document_id=document_id).delete()


def release_leases(worker: str) -> int:
    """For a worker that starts: what it held before was lost with its last process."""
    mine = DocumentJob.objects.filter(lease_holder__startswith=f"{worker[:150]}/")
    return mine.update(lease_until=None, lease_holder="")


def _new_holder(worker: str) -> str:
    return f"{worker[:150]}/{uuid.uuid4().hex[:12]}"


def _own(claim: Claim):  # noqa: ANN202
    return DocumentJob.objects.filter(pk=claim.job_id, lease_holder=claim.holder)
