"""How long a document has to wait, for the pages that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from retrieval.indexing.queue import WAITING, waiting
from tenants.context import tenant_context

if TYPE_CHECKING:
    from uuid import UUID

    from tenants.context import TenantLike

# Of others' documents so many are looked at; who is further back has to wait long anyway.
FARTHEST = 10_000
# From how many of the last finished documents the pace is taken, and how old they may be.
SAMPLE = 500
SAMPLE_MINUTES = 10

# Tenants take turns: of each, at most as many come first as this tenant has ahead.
_PLACE = f"""
WITH RECURSIVE {WAITING},
own AS (
    SELECT priority, available_at, id FROM public.tenants_documentjob
    WHERE tenant_id = %(tenant)s AND document_id = %(document)s
        AND (lease_until IS NULL OR lease_until < now())),
ahead AS (
    SELECT count(*) AS jobs FROM own, public.tenants_documentjob job
    WHERE job.tenant_id = %(tenant)s
        AND (job.priority, job.available_at, job.id) < (own.priority, own.available_at, own.id))
SELECT ahead.jobs + 1 + coalesce((
    SELECT sum(others.jobs) FROM waiting CROSS JOIN LATERAL (
        SELECT count(*) AS jobs FROM (
            SELECT FROM public.tenants_documentjob job WHERE job.tenant_id = waiting.tenant_id
            LIMIT least(ahead.jobs + 1, %(farthest)s)) AS first) AS others
    WHERE waiting.tenant_id <> %(tenant)s), 0)
FROM ahead WHERE EXISTS (SELECT FROM own)
"""  # noqa: S608 - of constants
_PACE = """
SELECT count(*), extract(epoch FROM now() - min(indexed_at))::float FROM (
    SELECT indexed_at FROM retrieval_document
    WHERE tenant_id = %s AND indexed_at > now() - make_interval(mins => %s)
    ORDER BY indexed_at DESC LIMIT %s) AS latest
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """`seconds_left` is None while nothing was finished lately, from which it could be told."""

    waiting: int
    documents_a_minute: float
    seconds_left: float | None


def place_in_line(tenant: TenantLike, document_id: UUID) -> int | None:
    """1 is next. None: the document is not waiting, or is being indexed."""
    names = {"tenant": tenant.id, "document": document_id, "farthest": FARTHEST}
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, names)
        row = cursor.fetchone()
    return int(row[0]) if row else None


def finish_estimate(tenant: TenantLike) -> Estimate:
    """When all that waits will be done, from what was finished lately."""
    left = waiting(tenant)
    with tenant_context(tenant), connection.cursor() as cursor:
        cursor.execute(_PACE, [tenant.id, SAMPLE_MINUTES, SAMPLE])
        done, seconds = cursor.fetchone() or (0, 0)
    pace = done / max(seconds, 1.0) if done else 0.0
    return Estimate(left, pace * 60, left / pace if pace else None)
