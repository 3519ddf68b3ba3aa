"""Whether the newest isolation check was green."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from ragadmin.health import NotWell, Probe, register
from tenants.isolation.runs import newest_result

# Beat asks for a run every day.
OLDEST_RESULT = timedelta(days=2)


def register_probe() -> None:
    register(
        Probe("isolation", "Nothing proves that tenants are kept apart.", probe_isolation_result)
    )


def probe_isolation_result() -> str:
    run = newest_result()
    if run is None:
        return "not checked yet: run `manage.py check_isolation`, or wait a day"
    if run.leaks or run.errors:
        raise NotWell(
            f"Run {run.pk} found {run.leaks} leaks and {run.errors} errors: see /operator/isolation/."
        )
    if timezone.now() - run.started_at > OLDEST_RESULT:
        raise NotWell(f"The last run was on {run.started_at:%Y-%m-%d}: it is due every day.")
    return f"{run.probes} probes, no leak, on {run.started_at:%Y-%m-%d %H:%M} UTC"
