"""Files of tenants that are not there: of an import that was killed, of a deletion that broke off."""

from __future__ import annotations

import structlog
from django.db import connection, transaction

from tenants import storage
from tenants.context import TENANT_LOCK
from tenants.models import Tenant

log = structlog.get_logger(__name__)


def sweep_files() -> int:
    """Returns of how many tenants. Those being imported just now are locked, and left alone."""
    there = set(Tenant.objects.values_list("pk", flat=True))
    return sum(_sweep(each) for each in sorted(storage.tenants_with_files() - there))


def _sweep(tenant_id: int) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [TENANT_LOCK, tenant_id])
        row = cursor.fetchone()
        if row != (True,) or Tenant.objects.filter(pk=tenant_id).exists():
            return False
        for kind in (storage.FILES, storage.EXPORTS):
            storage.delete_files(tenant_id, storage.file_keys(tenant_id, kind))
    log.info("files of a tenant that is gone were deleted", tenant=tenant_id)
    return True
