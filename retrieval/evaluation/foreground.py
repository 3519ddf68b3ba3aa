"""A run worked off in this process, for the command."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

from ragadmin.errors import Conflict
from retrieval.evaluation.runs import UNFINISHED, begin_evaluation, cancel_run
from retrieval.evaluation.work import run_next
from retrieval.models import Evaluation
from tenants.context import tenant_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenants.models import Tenant

# While a worker has it.
PAUSE_SECONDS = 0.5


def run_here(tenant: Tenant, tell: Callable[[Evaluation], None]) -> Evaluation:
    """Until it is over, with its results. Ctrl-C cancels it: no worker goes on with it. Raises Conflict."""
    with tenant_context(tenant):
        run = begin_evaluation(trigger="command", created_by="command line")
    try:
        return _follow(run, tenant, tell)
    except KeyboardInterrupt:
        with tenant_context(tenant), contextlib.suppress(Conflict):
            cancel_run(run.id)
        raise


def _follow(run: Evaluation, tenant: Tenant, tell: Callable[[Evaluation], None]) -> Evaluation:
    worker = f"{socket.gethostname()}-{os.getpid()}"
    while True:
        worked = run_next(worker, tenant, tell=tell)
        with tenant_context(tenant):
            run = Evaluation.objects.get(id=run.id)
        if run.status not in UNFINISHED:
            return run
        if not worked:
            time.sleep(PAUSE_SECONDS)
