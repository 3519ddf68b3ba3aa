"""What Celery runs to keep the figures."""

from __future__ import annotations

import time

from monitoring.rollups import roll_up
from ragadmin.celery import app

# After this long the rest is left to the next turn.
TURN_SECONDS = 30


@app.task
def roll_up_metrics() -> int:
    """Every ten seconds: how many metrics were counted."""
    ends, found = time.monotonic() + TURN_SECONDS, 0
    while counted := roll_up():
        found += counted
        if time.monotonic() > ends:
            break
    return found
