"""The check in the background: by the clock, or because an operator asked for it."""

from __future__ import annotations

import structlog

from ragadmin.celery import app
from ragadmin.errors import Conflict
from tenants.models import IsolationRun

log = structlog.get_logger("ragadmin.isolation")


@app.task
def check_isolation(run_id: int | None = None) -> None:
    """Of the run that a page began, or of a new one."""
    # The whole of the API and its pages are tried: only the worker that does it loads them.
    from retrieval.canaries import run

    begun = IsolationRun.objects.filter(pk=run_id, finished_at=None, probes=0).first()
    if run_id is not None and begun is None:
        return  # delivered twice
    try:
        run.check_isolation(begun)
    except Conflict as error:
        log.info("isolation_not_checked", reason=error.message)
