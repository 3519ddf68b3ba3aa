"""What an imported tenant had under way: documents wait here as they waited there, runs are over,
and nothing is synced before somebody has looked at the sources and resumed them.

Chunks of a generation that was being made are left out: those in use are complete, and re-indexing can
be begun here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants.archive.hooks import register

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from tenants.models import Tenant

_BEGIN_AGAIN = """
UPDATE retrieval_document SET status = 'queued', stage = ''
WHERE tenant_id = %s AND status = 'indexing'
"""
_ENQUEUE = """
INSERT INTO public.tenants_documentjob (tenant_id, document_id)
SELECT tenant_id, id FROM retrieval_document WHERE tenant_id = %s AND status = 'queued'
"""
# Where the source is may be another place seen from here, and its credentials cannot be read.
_END_RUNS = """
UPDATE retrieval_syncrun SET status = 'cancelled', stage = '', finished_at = now(),
    error_code = 'imported', error_message = 'The tenant was exported while this run was under way.'
WHERE tenant_id = %s AND status IN ('queued', 'running', 'needs_confirmation')
"""
_PAUSE_SOURCES = """
INSERT INTO public.tenants_syncschedule (tenant_id, source_id, interval_id, is_paused, next_run_at)
SELECT tenant_id, id, (
    SELECT min(id) FROM public.django_celery_beat_intervalschedule
    WHERE every = 15 AND period = 'minutes'), true, now()
FROM retrieval_source WHERE tenant_id = %s AND kind <> 'upload'
"""
_USUAL_INTERVAL = """
INSERT INTO public.django_celery_beat_intervalschedule (every, period)
SELECT 15, 'minutes' WHERE NOT EXISTS (
    SELECT FROM public.django_celery_beat_intervalschedule WHERE every = 15 AND period = 'minutes')
"""
_END_EVALUATIONS = """
UPDATE retrieval_evaluation SET status = 'cancelled', finished_at = now(),
    error = 'The tenant was exported while this evaluation was under way.'
WHERE tenant_id = %s AND status IN ('queued', 'running')
"""
# The night's own time is set by the first that finds it due.
_SCHEDULE_NIGHTS = """
UPDATE public.tenants_tenant SET evaluation_due_at = now() + interval '1 day'
WHERE id = %s AND evaluates_nightly
    AND EXISTS (SELECT FROM retrieval_goldenquestion WHERE tenant_id = %s)
"""


_DROP_CHUNKS = "DELETE FROM retrieval_chunk WHERE tenant_id = %s AND generation <> %s"
_DROP_FREQUENCIES = "DELETE FROM retrieval_termfrequency WHERE tenant_id = %s AND generation <> %s"
_FORGET = """
UPDATE retrieval_document SET indexed_generation = %s
WHERE tenant_id = %s AND indexed_generation > %s AND removed_at IS NULL
"""


def register_import() -> None:
    register(queue_unfinished)
    register(pause_sources)
    register(keep_generation_in_use)
    register(end_evaluations)


def keep_generation_in_use(cursor: CursorWrapper, tenant: Tenant) -> None:
    number = tenant.generation
    cursor.execute(_DROP_CHUNKS, [tenant.pk, number])
    cursor.execute(_DROP_FREQUENCIES, [tenant.pk, number])
    cursor.execute(_FORGET, [number, tenant.pk, number])


def pause_sources(cursor: CursorWrapper, tenant: Tenant) -> None:
    cursor.execute(_END_RUNS, [tenant.pk])
    cursor.execute(_USUAL_INTERVAL)
    cursor.execute(_PAUSE_SOURCES, [tenant.pk])


def queue_unfinished(cursor: CursorWrapper, tenant: Tenant) -> None:
    cursor.execute(_BEGIN_AGAIN, [tenant.pk])
    cursor.execute(_ENQUEUE, [tenant.pk])


def end_evaluations(cursor: CursorWrapper, tenant: Tenant) -> None:
    cursor.execute(_END_EVALUATIONS, [tenant.pk])
    cursor.execute(_SCHEDULE_NIGHTS, [tenant.pk, tenant.pk])
