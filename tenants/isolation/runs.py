"""The runs of the isolation check: begun, found again, forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils import timezone

from ragadmin.errors import Conflict
from tenants.models import IsolationRun

if TYPE_CHECKING:
    from django.db.models import QuerySet

RUN_LOCK = 0x6973
# A run takes seconds: one that is older than this died with its process.
LONGEST_RUN = timedelta(minutes=10)
KEPT_RUNS = 90


def begin_run() -> IsolationRun:
    """Raises Conflict while another goes on."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [RUN_LOCK])
        if running_run() is not None:
            raise Conflict(
                "The isolation check is running already: wait for its result.", code="is_running"
            )
        return IsolationRun.objects.create()


def running_run() -> IsolationRun | None:
    newest = list_runs().first()
    if newest is None or newest.finished_at is not None:
        return None
    return newest if timezone.now() - newest.started_at < LONGEST_RUN else None


def newest_result() -> IsolationRun | None:
    """The newest run that came to an end, without its matrix."""
    return list_runs().filter(finished_at__isnull=False).first()


def list_runs() -> QuerySet[IsolationRun]:
    """Newest first, without their matrices."""
    return IsolationRun.objects.defer("results").order_by("-pk")


def drop_old_runs() -> None:
    kept = IsolationRun.objects.order_by("-pk").values("pk")[:KEPT_RUNS]
    IsolationRun.objects.exclude(pk__in=kept).delete()
