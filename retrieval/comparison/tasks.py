"""What Celery runs for the page and by the clock."""

from __future__ import annotations

import structlog
from kombu.exceptions import KombuError

from ragadmin.celery import app
from ragadmin.errors import RagadminError
from retrieval.comparison.runs import (
    Cancelled,
    finish_comparison,
    running_comparison,
    state_of,
)
from tenants.models import IsolationComparison

log = structlog.get_logger(__name__)

QUEUE_AWAY = "No worker could be asked: Redis cannot be reached. Try again when it is back."


def ask_worker(run: IsolationComparison) -> None:
    try:
        run_comparison.apply_async([run.pk], retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("no comparison: the queue cannot be reached", error=str(error))
        finish_comparison(run, "failed", error=QUEUE_AWAY)


@app.task(acks_late=False)
def run_comparison(run_id: int) -> None:
    """Not given again to another worker: what a dead one left is found by the row's silence."""
    # Only workers load what measuring needs; web processes import this module to ask for it.
    from retrieval.comparison.measure import compare

    run = IsolationComparison.objects.filter(pk=run_id).first()
    if run is None or state_of(run) != "running":
        return
    try:
        compare(run, is_stopping=_is_stopping)
    except Cancelled:
        log.info("comparison cancelled", run=run_id)
    except RagadminError as error:
        log.warning("comparison failed", run=run_id, code=error.code)


@app.task
def remove_comparison_tenants() -> None:
    """Every ten minutes: removes what a killed comparison left. Idle otherwise."""
    from retrieval.comparison.temporary import has_leftovers, remove_all

    if has_leftovers() and running_comparison() is None:
        remove_all()


def _is_stopping() -> bool:
    from celery.worker import state

    return state.should_stop is not None or state.should_terminate is not None
