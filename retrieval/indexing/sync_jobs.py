"""Sync runs that are not over, as rows that workers lease: one a source, so two never overlap."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models.functions import Now

from ragadmin.errors import Conflict
from tenants.models import SyncJob, Tenant

if TYPE_CHECKING:
    from uuid import UUID

    from tenants.context import TenantLike

LEASE_SECONDS = 120
RENEW_SECONDS = 15
MAX_ATTEMPTS = 3
# A run whose documents are being indexed is looked at this often, should its last one tell nobody.
LOOK_AGAIN_SECONDS = 10

# One run a tenant is listed at a time, so that its slow sources do not take every worker.
_CLAIM = """
UPDATE public.tenants_syncjob SET attempts = attempts + 1, lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(seconds)s)
WHERE id = (
    SELECT job.id FROM public.tenants_syncjob job
    JOIN public.tenants_tenant tenant ON tenant.id = job.tenant_id
    WHERE job.available_at <= now() AND (job.lease_until IS NULL OR job.lease_until < now())
        AND tenant.status = 'active' AND (%(tenant)s::bigint IS NULL OR job.tenant_id = %(tenant)s AND job.run_id = %(run)s)
        AND NOT EXISTS (
            SELECT FROM public.tenants_syncjob other
            WHERE other.tenant_id = job.tenant_id AND other.lease_until > now())
    ORDER BY job.available_at, job.id LIMIT 1 FOR UPDATE OF job SKIP LOCKED)
RETURNING id, tenant_id, source_id, run_id, attempts
"""


class LeaseLost(Conflict):
    """The run is another worker's now, or over."""

    code = "lease_lost"


@dataclass(slots=True)
class Claim:
    job_id: int
    tenant: Tenant
    source_id: UUID
    run_id: UUID
    attempts: int
    holder: str
    renewed: float = field(default_factory=time.monotonic)

    def renew_in_time(self) -> None:
        """Cheap enough for each of a hundred thousand items. Raises LeaseLost."""
        if time.monotonic() - self.renewed > RENEW_SECONDS:
            renew(self)
            self.renewed = time.monotonic()


def enqueue(tenant: TenantLike, source_id: UUID, run_id: UUID) -> bool:
    """In the transaction that makes the run. False: the source has a run already."""
    _, is_new = SyncJob.objects.get_or_create(
        tenant_id=tenant.id, source_id=source_id, defaults={"run_id": run_id}
    )
    return is_new


def claim_next(
    worker: str, tenant: TenantLike | None = None, run_id: UUID | None = None
) -> Claim | None:
    """Any run, or this one of this tenant."""
    holder = f"{worker[:150]}/{uuid.uuid4().hex[:12]}"
    names = {
        "holder": holder,
        "seconds": LEASE_SECONDS,
        "tenant": tenant.id if tenant else None,
        "run": run_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, names)
        row = cursor.fetchone()
    if row is None:
        return None
    job_id, tenant_id, source_id, claimed, attempts = row
    return Claim(job_id, Tenant.objects.get(pk=tenant_id), source_id, claimed, attempts, holder)


def has_claimable() -> bool:
    return SyncJob.objects.filter(available_at__lte=Now(), tenant__status="active").exists()


def renew(claim: Claim) -> None:
    """Raises LeaseLost."""
    if not _own(claim).update(lease_until=Now() + timedelta(seconds=LEASE_SECONDS)):
        raise LeaseLost("The lease on this sync run ended.")


def hold(claim: Claim) -> None:
    """Locks the job until the transaction ends. Raises LeaseLost."""
    if _own(claim).select_for_update().first() is None:
        raise LeaseLost("The lease on this sync run ended.")


def look_again(claim: Claim, seconds: float = LOOK_AGAIN_SECONDS) -> None:
    """Gives the run back; what is left to do is done by others."""
    _own(claim).update(
        attempts=0,
        available_at=Now() + timedelta(seconds=seconds),
        lease_until=None,
        lease_holder="",
    )


def wake(tenant: TenantLike, run_id: UUID) -> None:
    """The run has something to do now."""
    _of(tenant, run_id).filter(lease_until=None).update(available_at=Now())


def finish(tenant: TenantLike, run_id: UUID) -> None:
    _of(tenant, run_id).delete()


def release_leases(worker: str) -> int:
    """For a worker that starts: what it held before was lost with its last process."""
    mine = SyncJob.objects.filter(lease_holder__startswith=f"{worker[:150]}/")
    return mine.update(lease_until=None, lease_holder="")


def _of(tenant: TenantLike, run_id: UUID):  # noqa: ANN202
    # An imported tenant's runs have the ids that they had.
    return SyncJob.objects.filter(tenant_id=tenant.id, run_id=run_id)


def _own(claim: Claim):  # noqa: ANN202
    return SyncJob.objects.filter(pk=claim.job_id, lease_holder=claim.holder)
