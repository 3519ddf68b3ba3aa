"""A run worked off in this process, for the command."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from retrieval.evaluation.runs import UNFINISHED, begin_evaluation
from retrieval.evaluation.work import run_next
from retrieval.models import Evaluation
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenants.models import Tenant

# While a worker has it.
PAUSE_SECONDS = 0.5


def run_here(tenant: Tenant, tell: Callable[[Evaluation], None]) -> Evaluation:
    """Until it is over, with its results. Raises Conflict."""
    with tenant_context(tenant):
        run = begin_evaluation(trigger="command", created_by="command line")
    worker = f"{socket.gethostname()}-{os.getpid()}"
    while True:
        worked = run_next(worker, tenant, tell=tell)
        with tenant_context(tenant):
            run = Evaluation.objects.get(id=run.id)
        if run.status not in UNFINISHED:
            return run
        if not worked:
            time.sleep(PAUSE_SECONDS)
