"""What Celery runs to keep the figures."""

from __future__ import annotations

from django.utils import timezone

from monitoring import outbox
from monitoring.alerts import evaluate_rules, forget_old_alerts
from monitoring.changed_zones import follow_time_zones
from monitoring.reports.daily import make_due_reports
from monitoring.retention import tend_figures as tend
from monitoring.rollups import catch_up
from ragadmin.celery import app

# After this long the rest is left to the next turn.
TURN_SECONDS = 30


@app.task
def roll_up_metrics() -> int:
    """Every ten seconds: how many metrics were counted."""
    return catch_up(TURN_SECONDS)


@app.task
def tend_figures() -> None:
    """Every hour: the ledger's next days are made, and what is too old goes."""
    tend()


@app.task
def follow_changed_zones() -> int:
    """Every ten minutes: how many tenants' figures were made anew for another time zone."""
    return len(follow_time_zones())


@app.task
def watch() -> int:
    """Every minute: how many alerts changed. They are told at once."""
    changed = evaluate_rules()
    if changed:
        outbox.send_due()
    return changed


@app.task
def send_notifications() -> int:
    return outbox.send_due()


@app.task
def forget_alerts() -> None:
    now = timezone.now()
    forget_old_alerts(now)
    outbox.forget_old(now)


@app.task
def make_reports() -> int:
    """Every five minutes: how many days ended for some tenant and have their report now."""
    return make_due_reports()
