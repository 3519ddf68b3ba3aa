"""Documents waiting to be indexed, as rows. Celery only executes; what is to be done stands here.

A claim is a lease on some of one tenant's documents: it ends by itself when its worker dies, and a
worker that lost it must not store. Rows are locked in the order document, job, tenant's chunks
(store.py), tenant everywhere.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models.functions import Now

from ragadmin.errors import Conflict
from retrieval.indexing import pace
from tenants.models import DocumentJob, Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from tenants.context import TenantLike

LEASE_SECONDS = 60
MAX_ATTEMPTS = 5
# After a failure that may pass: 15 s, 1, 4 and 16 minutes.
FIRST_DELAY_SECONDS = 15
# What ended a worker, or failed this often, is claimed alone: its neighbours must not pay for it.
ATTEMPTS_IN_COMPANY = 2
# What people wait for, and indexing anew for another generation.
WANTED, ANEW = 0, 1

# Of two threads that claim at once, the second sees the first one's lease and keeps the cap.
_claiming = threading.Lock()

CLAIMABLE = "available_at <= now() AND (lease_until IS NULL OR lease_until < now())"
# Each tenant that has jobs, found by a probe of the index: no job is read twice, whoever waits.
WAITING = """
waiting (tenant_id) AS (
    (SELECT tenant_id FROM public.tenants_documentjob ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT next.tenant_id FROM public.tenants_documentjob next
            WHERE next.tenant_id > waiting.tenant_id ORDER BY next.tenant_id LIMIT 1)
    FROM waiting WHERE waiting.tenant_id IS NOT NULL)
"""
_NEXT_TENANTS = f"""
WITH RECURSIVE {WAITING}
SELECT tenant.id, first.priority FROM waiting JOIN public.tenants_tenant tenant ON id = tenant_id
CROSS JOIN LATERAL (
    SELECT priority FROM (VALUES (0), (1)) AS each (priority) WHERE EXISTS (
        SELECT FROM public.tenants_documentjob job
        WHERE job.tenant_id = tenant.id AND job.priority = each.priority AND {CLAIMABLE})
    ORDER BY priority LIMIT 1) first
WHERE tenant.status = 'active' AND (%(cap)s::int IS NULL OR %(cap)s > (
    SELECT count(DISTINCT lease_holder) FROM public.tenants_documentjob held
    WHERE held.tenant_id = tenant.id AND lease_until > now()
        AND starts_with(lease_holder, %(worker)s)))
ORDER BY last_served_at NULLS FIRST, tenant.id LIMIT 20
"""  # noqa: S608 - of constants
_CHOOSE = f"""
SELECT id, document_id, attempts, available_at,
    lease_until IS NOT NULL OR attempts >= {ATTEMPTS_IN_COMPANY} AS goes_alone
FROM public.tenants_documentjob
WHERE tenant_id = %s AND priority = %s AND {CLAIMABLE}
ORDER BY available_at, id LIMIT %s FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - of constants
# A queue that was filled a moment ago is still empty to the planner, and then it would sort all of a
# tenant's jobs for one of them. A claim that a crash of the database takes back is made again.
_PREPARE = """
SELECT set_config('enable_sort', 'off', true), set_config('synchronous_commit', 'off', true)
"""
_LEASE = """
UPDATE public.tenants_documentjob SET attempts = attempts + 1, lease_holder = %s,
    lease_until = now() + make_interval(secs => %s)
WHERE id = ANY(%s)
"""
_CLAIM_ONE = f"""
UPDATE public.tenants_documentjob SET
    attempts = attempts + 1, lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(seconds)s)
WHERE tenant_id = %(tenant)s AND document_id = %(document)s AND {CLAIMABLE}
RETURNING id, attempts, available_at
"""  # noqa: S608 - of constants
_ENQUEUE = """
INSERT INTO public.tenants_documentjob AS job (tenant_id, document_id, priority)
SELECT %s, document_id, %s FROM unnest(%s::uuid[]) WITH ORDINALITY AS new (document_id, place)
ORDER BY place
ON CONFLICT (tenant_id, document_id) DO UPDATE SET
    available_at = clock_timestamp(), priority = least(job.priority, EXCLUDED.priority),
    attempts = CASE WHEN job.lease_until > now() THEN job.attempts ELSE 0 END
"""
# One that was enqueued again after it was claimed waits again.
_FINISH = """
WITH done AS (
    DELETE FROM public.tenants_documentjob job
    USING unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS claimed (id, available_at)
    WHERE job.id = claimed.id AND job.available_at = claimed.available_at
        AND lease_holder = %(holder)s
    RETURNING job.id)
UPDATE public.tenants_documentjob SET attempts = 0, lease_until = NULL, lease_holder = ''
WHERE id = ANY(%(ids)s) AND lease_holder = %(holder)s AND id NOT IN (SELECT id FROM done)
"""
_RENEW = """
UPDATE public.tenants_documentjob SET lease_until = now() + make_interval(secs => %s)
WHERE id = ANY(%s) AND lease_holder = %s RETURNING id
"""
_HOLD = """
SELECT id, available_at FROM public.tenants_documentjob
WHERE id = ANY(%s) AND lease_holder = %s ORDER BY id FOR UPDATE
"""
_GIVE_BACK = """
UPDATE public.tenants_documentjob SET attempts = greatest(attempts - 1, 0), lease_until = NULL,
    lease_holder = ''
WHERE id = ANY(%s) AND lease_holder = %s
"""
_PUT_BACK = """
UPDATE public.tenants_documentjob SET attempts = 0, available_at = now(), lease_until = NULL,
    lease_holder = ''
WHERE id = ANY(%s) AND lease_holder = %s
"""
_PUT_OFF = """
UPDATE public.tenants_documentjob SET lease_until = NULL, lease_holder = '',
    available_at = now() + make_interval(secs => %s * power(4, attempts - 1))
WHERE id = ANY(%s) AND lease_holder = %s
"""


class LeaseLost(Conflict):
    """The lease ended and the document is another worker's now, or nobody's."""

    code = "lease_lost"


@dataclass(frozen=True, slots=True)
class Claim:
    """`holder` is new with each claim, the same for all documents of a batch."""

    job_id: int
    tenant: Tenant
    document_id: UUID
    holder: str
    attempts: int
    available_at: datetime


def enqueue(tenant: TenantLike, document_id: UUID) -> None:
    """In the transaction that changes the document. One being indexed is indexed again after."""
    enqueue_many(tenant, [document_id])


def enqueue_many(tenant: TenantLike, document_ids: Sequence[UUID], priority: int = WANTED) -> None:
    if document_ids:
        _execute(_ENQUEUE, [tenant.id, priority, list(document_ids)])


def claim_batch(
    worker: str, places: int | None = None, tenant: Tenant | None = None
) -> list[Claim]:
    """Some documents of the least recently served tenant that is not suspended; none are waiting: [].

    Of a worker's `places`, no tenant gets the last one. With `tenant` only its own, out of turn.
    """
    if tenant is not None:
        with transaction.atomic():
            return _claim_of(worker, tenant.pk, WANTED) or _claim_of(worker, tenant.pk, ANEW)
    names = {
        "cap": max(1, places - 1) if places else None,
        "worker": f"{worker[:150]}/",
    }
    with _claiming, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NEXT_TENANTS, names)
        for tenant_id, priority in cursor.fetchall():
            if claims := _claim_of(worker, tenant_id, priority):
                return claims
    return []


def claim_document(tenant: Tenant, document_id: UUID, worker: str) -> Claim | None:
    """This document and no other, out of turn. None: it is not waiting, or somebody else's by now."""
    holder = _new_holder(worker)
    values = {"holder": holder, "seconds": LEASE_SECONDS, "tenant": tenant.pk}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_ONE, values | {"document": document_id})
        row = cursor.fetchone()
    return Claim(row[0], tenant, document_id, holder, row[1], row[2]) if row else None


def has_claimable() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({_NEXT_TENANTS})", {"cap": None, "worker": ""})
        return cursor.fetchone() == (True,)


def renew(claims: Sequence[Claim], seconds: float = LEASE_SECONDS) -> list[Claim]:
    """Those that are still this worker's."""
    kept = {row[0] for row in _of(claims, _RENEW, seconds)}
    return [claim for claim in claims if claim.job_id in kept]


def hold(claims: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
    """Locks the jobs until the transaction ends. Returns those that are still this worker's, and of
    these the ones that were enqueued again since they were claimed."""
    held = dict(_of(claims, _HOLD))
    mine = [claim for claim in claims if claim.job_id in held]
    return mine, [claim for claim in mine if held[claim.job_id] != claim.available_at]


def finish(claims: Sequence[Claim]) -> None:
    if claims:
        names = {
            "ids": [claim.job_id for claim in claims],
            "times": [claim.available_at for claim in claims],
            "holder": claims[0].holder,
        }
        _execute(_FINISH, names)


def give_back(claims: Sequence[Claim]) -> None:
    """As if they had not been claimed."""
    _of(claims, _GIVE_BACK)


def put_back(claims: Sequence[Claim]) -> None:
    """To be done again at once: the documents changed meanwhile."""
    _of(claims, _PUT_BACK)


def put_off(claims: Sequence[Claim]) -> None:
    _of(claims, _PUT_OFF, FIRST_DELAY_SECONDS)


def remove(tenant: TenantLike, document_id: UUID) -> None:
    remove_many(tenant, [document_id])


def remove_many(tenant: TenantLike, document_ids: Sequence[UUID]) -> int:
    jobs = DocumentJob.objects.filter(tenant_id=tenant.id, document_id__in=list(document_ids))
    return jobs._raw_delete(jobs.db)  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue] - without reading them first


def waiting(tenant: TenantLike) -> int:
    """Documents in line, those in work among them."""
    return DocumentJob.objects.filter(tenant_id=tenant.id).count()


def release_leases(worker: str) -> int:
    """For a worker that starts: what it held before was lost with its last process."""
    mine = DocumentJob.objects.filter(lease_holder__startswith=f"{worker[:150]}/")
    # Ended and not emptied: what may have ended the worker is to be known by it.
    return mine.filter(lease_until__gt=Now()).update(lease_until=Now(), lease_holder="")


def _claim_of(worker: str, tenant_id: int, priority: int) -> list[Claim]:
    tenant = Tenant.objects.get(pk=tenant_id)
    with connection.cursor() as cursor:
        cursor.execute(_PREPARE)
        cursor.execute(_CHOOSE, [tenant_id, priority, pace.batch_size(tenant)])
        rows = cursor.fetchall()
        if not rows:
            return []
        company = [row[:4] for row in rows if not row[4]]
        chosen = [rows[0][:4]] if rows[0][4] else company
        holder = _new_holder(worker)
        cursor.execute(_LEASE, [holder, LEASE_SECONDS, [row[0] for row in chosen]])
    Tenant.objects.filter(pk=tenant_id).update(last_served_at=Now())
    return [
        Claim(job_id, tenant, document_id, holder, attempts + 1, available_at)
        for job_id, document_id, attempts, available_at in chosen
    ]


def _new_holder(worker: str) -> str:
    return f"{worker[:150]}/{uuid.uuid4().hex[:12]}"


def _of(claims: Sequence[Claim], statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Runs a statement about the jobs of one batch."""
    if not claims:
        return []
    return _execute(statement, [*values, [claim.job_id for claim in claims], claims[0].holder])


def _execute(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
