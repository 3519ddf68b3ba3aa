"""Documents of an imported tenant that were not indexed yet: they wait here as they waited there."""

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


def register_import() -> None:
    register(queue_unfinished)


def queue_unfinished(cursor: CursorWrapper, tenant: Tenant) -> None:
    cursor.execute(_BEGIN_AGAIN, [tenant.pk])
    cursor.execute(_ENQUEUE, [tenant.pk])
