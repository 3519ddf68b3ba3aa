"""Recorded questions are deleted after as many days as their tenant keeps them; none, where it says nothing.

What somebody has yet to look at stays: open thumbs-down, with the answers given since, and what golden
questions were made of. The books have rows of their own (monitoring.rebuild leaves those without a trace).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from tenants.context import tenant_context
from tenants.models import Tenant

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

BATCH = 1_000
# Of a tenant's turn, so that others' come; the rest waits for the next.
TURN_SECONDS = 60
MOST_COUNTED = 100_000
STAYING = """
SELECT trace_id FROM retrieval_feedback
    WHERE tenant_id = %(tenant)s AND rating = 'down' AND status = 'open'
UNION ALL SELECT new_trace_id FROM retrieval_feedback
    WHERE tenant_id = %(tenant)s AND rating = 'down' AND status = 'open' AND new_trace_id IS NOT NULL
UNION ALL SELECT trace_id FROM retrieval_goldenquestion
    WHERE tenant_id = %(tenant)s AND trace_id IS NOT NULL
"""
OLD = """
FROM retrieval_querytrace t WHERE t.tenant_id = %(tenant)s AND t.status <> 'running'
    AND t.created_at < now() - make_interval(days => %(days)s)
"""
COUNT = f"""
SELECT (SELECT count(*) FROM
        (SELECT {OLD} AND t.id NOT IN ({STAYING}) LIMIT %(most)s + 1) found),
    (SELECT count(*) {OLD} AND t.id IN ({STAYING}))
"""  # noqa: S608
# Whoever rates an answer at this moment has its row, which is passed over until the next time.
FIND = f"""
SELECT t.id, t.created_at {OLD} AND t.id NOT IN ({STAYING}) AND t.created_at >= %(since)s
ORDER BY t.created_at LIMIT %(batch)s FOR UPDATE OF t SKIP LOCKED
"""
DELETE_RATINGS = """
DELETE FROM retrieval_feedback WHERE tenant_id = %(tenant)s AND trace_id = ANY(%(ids)s::uuid[])
"""
DELETE_TRACES = """
DELETE FROM retrieval_querytrace WHERE tenant_id = %(tenant)s AND id = ANY(%(ids)s::uuid[])
RETURNING conversation_id
"""
DELETE_EMPTY = """
DELETE FROM retrieval_conversation c WHERE c.tenant_id = %(tenant)s AND c.id = ANY(%(ids)s::uuid[])
    AND NOT EXISTS (SELECT FROM retrieval_querytrace t WHERE t.conversation_id = c.id)
"""


@dataclass(frozen=True, slots=True)
class OldTraces:
    """How many would be deleted, counted up to MOST_COUNTED, and how many stay though they are old."""

    deleted: int
    staying: int

    @property
    def has_more(self) -> bool:
        return self.deleted > MOST_COUNTED


def count_old(tenant: Tenant, days: int) -> OldTraces:
    """With the tenant in force."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"tenant": tenant.pk, "days": days, "most": MOST_COUNTED})
        deleted, staying = cursor.fetchone() or (0, 0)
    return OldTraces(deleted, staying)


def forget_old(tenant: Tenant) -> int:
    """How many were deleted. Batch by batch, each in a transaction of its own, by the setting as it is
    then: whoever takes it back ends it. Raises TenantGone, SchemaMissing."""
    began, deleted = time.monotonic(), 0
    since: datetime | None = datetime.min.replace(tzinfo=UTC)
    while since is not None and time.monotonic() - began < TURN_SECONDS:
        with tenant_context(tenant), connection.cursor() as cursor:
            count, since = _forget_batch(cursor, tenant, since)
        deleted += count
    return deleted


def _forget_batch(
    cursor: CursorWrapper, tenant: Tenant, since: datetime
) -> tuple[int, datetime | None]:
    """How many, and from when on to look for the next; None: there are no others."""
    days = Tenant.objects.values_list("trace_days", flat=True).get(pk=tenant.pk)
    if days is None:
        return 0, None
    values: dict[str, Any] = {"tenant": tenant.pk}
    cursor.execute(FIND, values | {"days": days, "since": since, "batch": BATCH})
    found = cursor.fetchall()
    values["ids"] = [trace_id for trace_id, _ in found]
    cursor.execute(DELETE_RATINGS, values)
    cursor.execute(DELETE_TRACES, values)
    conversations = {each for (each,) in cursor.fetchall() if each}
    cursor.execute(DELETE_EMPTY, values | {"ids": list(conversations)})
    return len(found), found[-1][1] if len(found) == BATCH else None
