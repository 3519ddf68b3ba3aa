"""The Celery app: run with `-A ragadmin.celery`. Tasks are found in each app's tasks.py."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import beat_init, before_task_publish, heartbeat_sent, setup_logging

from ragadmin.heartbeats import note_life

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragadmin.settings.dev")

# In a container the worker is root, like everything else there.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("ragadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(
    ["retrieval.canaries", "retrieval.comparison", "retrieval.simulation", "retrieval.evaluation"]
)
# Current for every thread, not only the importing one: web requests queue tasks from a pool.
app.set_default()


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """A receiver here keeps Celery's own logging away; its line for every task is left out."""
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(name).setLevel(logging.WARNING)


@heartbeat_sent.connect
def note_worker(sender: Any, **_: Any) -> None:
    note_life("worker", sender.eventer.hostname)


@beat_init.connect
def watch_beat(**_: Any) -> None:
    # Only what it sends shows that beat works: a thread of its own would live on when it hangs.
    before_task_publish.connect(note_beat)


def note_beat(**_: Any) -> None:
    note_life("beat", socket.gethostname())
