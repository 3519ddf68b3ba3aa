"""The comparisons as rows: begun, followed, cancelled, kept.

`results` holds `state` (running, cancelling, done, cancelled, failed), `settings`, `progress`,
`rows` and, when it is over, `error` and `seconds`. Each write adds to what is there, in one
statement, so that a cancellation and a note of progress never undo each other.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from ragadmin.errors import Conflict, RagadminError
from tenants.models import IsolationComparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from retrieval.comparison.plan import Plan

LOCK = 0x6963
# One that has said nothing for so long died with its process.
LONGEST_SILENCE_SECONDS = 180
NOTE_EVERY_SECONDS = 0.5
KEPT = 50
UNFINISHED = ("running", "cancelling")
MERGE = """
UPDATE tenants_isolationcomparison SET results = results || %s::jsonb WHERE id = %s
RETURNING results->>'state'
"""
CANCEL = """
UPDATE tenants_isolationcomparison SET results = results || '{"state": "cancelling"}'
WHERE id = %s AND results->>'state' = 'running'
"""


class Cancelled(RagadminError):
    code = "cancelled"


class Progress:
    """Tells the row, and whoever else listens, how far it is; and finds out that it is to stop."""

    def __init__(
        self,
        run: IsolationComparison,
        total: int,
        listener: Callable[[str], None] | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._run, self._total = run, total
        self._listener, self._is_stopping = listener, is_stopping
        self._done = 0
        self._noted_at = 0.0

    def step(self, stage: str, steps: int = 1) -> None:
        """Raises Cancelled."""
        if self.tell(stage, steps) != "running" or self._is_stopping():
            raise Cancelled("The comparison was cancelled.")

    def tell(self, stage: str, steps: int = 1) -> str:
        """As step, for what has to be done in any case. Returns the state."""
        self._done = min(self._done + steps, self._total)
        if self._listener:
            self._listener(stage)
        if time.monotonic() - self._noted_at < NOTE_EVERY_SECONDS:
            return "running"
        self._noted_at = time.monotonic()
        noted = {"done": self._done, "total": self._total, "stage": stage, "at": time.time()}
        return merge(self._run, progress=noted)


def begin_comparison(plan: Plan) -> IsolationComparison:
    """Raises Conflict while another goes on."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK])
        if running_comparison() is not None:
            raise Conflict(
                "A comparison is running already: wait for it, or cancel it.", code="is_running"
            )
        results = {
            "state": "running",
            "settings": plan.as_json(),
            "progress": {"done": 0, "total": 1, "stage": "waiting for a worker", "at": time.time()},
            "rows": [],
        }
        return IsolationComparison.objects.create(documents=plan.documents, results=results)


def running_comparison() -> IsolationComparison | None:
    newest = list_comparisons().first()
    return newest if newest and state_of(newest) in UNFINISHED else None


def state_of(run: IsolationComparison) -> str:
    """`interrupted` if its process died."""
    state = run.results.get("state", "failed")
    if state not in UNFINISHED:
        return state
    silence = time.time() - run.results["progress"]["at"]
    return "interrupted" if silence > LONGEST_SILENCE_SECONDS else state


def list_comparisons() -> QuerySet[IsolationComparison]:
    return IsolationComparison.objects.order_by("-pk")


def newest_result() -> IsolationComparison | None:
    """The newest that measured anything to its end."""
    return list_comparisons().filter(results__state="done").first()


def cancel_comparison(run: IsolationComparison) -> None:
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, [run.pk])


def finish_comparison(run: IsolationComparison, state: str, **values: Any) -> None:
    merge(run, state=state, **values)
    kept = list_comparisons().values("pk")[:KEPT]
    IsolationComparison.objects.exclude(pk__in=kept).delete()
    run.refresh_from_db()


def merge(run: IsolationComparison, **values: Any) -> str:
    """The state after it; `cancelling` if somebody deleted the row."""
    with connection.cursor() as cursor:
        cursor.execute(MERGE, [json.dumps(values), run.pk])
        row = cursor.fetchone()
    return row[0] if row else "cancelling"
