"""Files of an import that was killed, or of a deletion that broke off before its files were gone."""

from __future__ import annotations

import structlog
from django.db import connection, transaction

from tenants import storage
from tenants.context import TENANT_LOCK
from tenants.models import Tenant

log = structlog.get_logger(__name__)


def sweep_files() -> int:
    """Returns of how many tenants. Those being imported just now are locked, and left alone."""
    return sum(_sweep(each) for each in storage.marked_leftovers())


def _sweep(tenant_id: int) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [TENANT_LOCK, tenant_id])
        if cursor.fetchone() != (True,):
            return False
        is_gone = not Tenant.objects.filter(pk=tenant_id).exists()
        kinds = (storage.FILES, storage.EXPORTS) if is_gone else ()
        keys = [key for kind in kinds for key in storage.file_keys(tenant_id, kind)]
        if storage.delete_files(tenant_id, keys) == 0:
            storage.unmark_leftover(tenant_id)
    if keys:
        log.info("files of a tenant that is gone were deleted", tenant=tenant_id, files=len(keys))
    return is_gone
