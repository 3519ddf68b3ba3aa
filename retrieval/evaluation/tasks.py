"""What Celery runs: evaluations that wait, and those of the night."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import structlog
from celery.signals import worker_init
from kombu.exceptions import KombuError

from ragadmin.celery import app
from ragadmin.errors import RagadminError
from retrieval.evaluation import nightly
from tenants.context import tenant_context

if TYPE_CHECKING:
    from celery import Task

log = structlog.get_logger("ragadmin.evaluation")

HINT_SECONDS = 60
# One in each worker: it asks several questions at once, and others wait for answers too.
_place = threading.BoundedSemaphore(1)


def hint_evaluation() -> None:
    """Asks for a worker. With Redis down the run waits, and beat asks again when it is back."""
    try:
        run_evaluations.apply_async(expires=HINT_SECONDS, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
    except KombuError as error:
        log.warning("no hint given: the queue cannot be reached", error=str(error))


@app.task(bind=True)
def run_evaluations(self: Task) -> None:
    """One after another, until none waits."""
    # Only workers load what asking needs; web processes import this module to give hints.
    from retrieval.evaluation.work import run_next

    if not _place.acquire(blocking=False):
        return
    try:
        worker = self.request.hostname or socket.gethostname()
        while not _is_stopping() and run_next(worker, is_stopping=_is_stopping):
            pass
    finally:
        _place.release()


@app.task
def dispatch_evaluations() -> None:
    """Every minute: begins those of the night that are due, and takes up what a dead worker left."""
    from retrieval.evaluation.runs import begin_evaluation
    from retrieval.evaluation.work import has_claimable

    for tenant in nightly.claim_due():
        try:
            with tenant_context(tenant):
                if nightly.has_questions():
                    begin_evaluation(trigger="nightly", created_by="nightly")
                else:
                    nightly.forget(tenant)
        # Whatever it is, the other tenants' turn must come.
        except RagadminError as error:
            log.warning("not evaluated tonight", tenant=tenant.slug, code=error.code)
        except Exception:
            log.exception("not evaluated tonight", tenant=tenant.slug)
    if has_claimable():
        hint_evaluation()


@worker_init.connect
def release_own_leases(sender: Any, **kwargs: Any) -> None:
    from retrieval.evaluation.work import release_leases

    if release_leases(sender.hostname):
        hint_evaluation()


def _is_stopping() -> bool:
    from celery.worker import state

    return state.should_stop is not None or state.should_terminate is not None
