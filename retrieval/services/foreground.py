"""A run worked off in this process: for the command, and where no worker runs."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from retrieval.indexing.index import index_next_batch
from retrieval.indexing.sync import finish_if_done, run_next_sync
from retrieval.models import SyncRun
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tenants.models import Tenant

# While others have what is left to do.
PAUSE_SECONDS = 0.2
TELL_SECONDS = 1.0


def finish_here(
    tenant: Tenant, run_id: UUID, tell: Callable[[SyncRun], None] = lambda _: None
) -> SyncRun:
    """Until the run is over or waits for a person. Workers may help. `tell` is called each second."""
    worker = f"{socket.gethostname()}-{os.getpid()}"
    told = time.monotonic()
    while True:
        works = run_next_sync(worker, tenant, run_id) is not None
        batch = index_next_batch(worker, tenant=tenant)
        if batch is not None:
            works = True
            for each in batch.run_ids:
                finish_if_done(batch.tenant, each)
        run = _read(tenant, run_id)
        if run.status not in (SyncRun.Status.QUEUED, SyncRun.Status.RUNNING):
            return run
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            tell(run)
        if not works:
            time.sleep(PAUSE_SECONDS)


def _read(tenant: Tenant, run_id: UUID) -> SyncRun:
    with tenant_context(tenant):
        return SyncRun.objects.defer("paths", "confirmed").get(pk=run_id)
