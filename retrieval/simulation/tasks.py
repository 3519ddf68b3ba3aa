from __future__ import annotations

import threading
from typing import Any

from celery.signals import worker_ready

from ragadmin.celery import app

# The first page should not wait for this, nor what is indexed.
FIRST_LOOK_SECONDS, NEXT_LOOK_SECONDS = 15, 5
_asking = threading.Lock()


@worker_ready.connect
def look_whether_to_ask(**_: Any) -> None:
    _look_again(FIRST_LOOK_SECONDS)


@app.task
def ask_demo_questions() -> None:
    """After the first start, once: as soon as the demo tenants' documents can be asked about."""
    from celery.worker import state

    from retrieval.simulation import demo

    if not demo.is_wanted() or not _asking.acquire(blocking=False):
        return
    try:
        if demo.is_waiting():
            _look_again(NEXT_LOOK_SECONDS)
        else:
            demo.ask_first_questions(
                lambda: state.should_stop is not None or state.should_terminate is not None
            )
    finally:
        _asking.release()


def _look_again(seconds: int) -> None:
    ask_demo_questions.apply_async(countdown=seconds, expires=10 * seconds, retry=False)  # pyright: ignore[reportFunctionMemberAccess]
