"""The ledger summed up into usage rows: each row exactly once, however its transaction was committed.

What is counted is kept as a transaction snapshot. The next run counts what is visible now and was not
then, so a transaction that began early and was committed late is missed by no run and met by one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog
from django.db import DataError, NotSupportedError, transaction

from monitoring import deltas
from monitoring.booking import (
    BOTH,
    DAY,
    RECENT,
    SPENDING_TABLES,
    TENANT_TABLES,
    USAGE_TABLES,
    book,
    without_old,
)
from monitoring.snapshots import COUNTED, START, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from django.db.backends.utils import CursorWrapper

log = structlog.get_logger(__name__)

LIMIT = 100_000
# A sum that has no room in its column, a time without end: of an archive that somebody has edited.
UNCOUNTABLE = (DataError, NotSupportedError)
FEWER = 10
ROLLUP_LOCK = 0x726F
# Older five minutes are not made, because they would be deleted at once.
RECENT_DAYS = 8
READ_STATE = """
SELECT s.snapshot, s.cluster, s.rolled_up_at, pg_current_snapshot()::text,
    (SELECT system_identifier FROM pg_control_system())::text, clock_timestamp()
FROM (SELECT 1) one LEFT JOIN public.monitoring_rollupstate s ON s.id = 1
"""
RENUMBER = "UPDATE public.monitoring_querymetric q SET xid = {xid} WHERE {condition}"
KEEP_STATE = """
INSERT INTO public.monitoring_rollupstate AS s (id, snapshot, cluster, rolled_up_at, metrics)
VALUES (1, %(snapshot)s, %(cluster)s, %(at)s, %(metrics)s)
ON CONFLICT (id) DO UPDATE SET snapshot = excluded.snapshot, cluster = excluded.cluster,
    rolled_up_at = excluded.rolled_up_at,
    metrics = s.metrics + excluded.metrics
"""
# Visible now and not at the last time. The bounds let the index find them.
NEW = """
q.xid >= '{least}'::xid8 AND q.xid < '{end}'::xid8
AND pg_visible_in_snapshot(q.xid, '{now}') AND NOT pg_visible_in_snapshot(q.xid, '{last}')
"""
COUNTED_ALREADY = "pg_visible_in_snapshot({row}.xid, '{last}')"
OF_LEDGER = "SELECT q.*, 1 AS sign FROM public.monitoring_querymetric q WHERE {condition}"
FETCHED = 25_000
# Else a batch is sorted on disk.
WORK_MEMORY = "64MB"
# A timeout that is meant for people's requests would end the same long batch again and again.
SETTINGS = "SELECT set_config('work_mem', %s, true), set_config('statement_timeout', '0', true)"


@dataclass(frozen=True, slots=True)
class State:
    """`last`: what is counted. `now`: what is visible to who holds the lock."""

    last: Snapshot
    now: Snapshot
    cluster: str
    at: Any

    def new(self, until: Snapshot | None = None) -> str:
        """A condition on `q`, a row of the ledger."""
        now = until or self.now
        return NEW.format(least=self.last.least, end=now.end, now=now, last=self.last)

    def counted(self, row: str = "q") -> str:
        return COUNTED_ALREADY.format(row=row, last=self.last)


def roll_up(limit: int = LIMIT) -> int:
    """How many metrics it counted: of the oldest transactions, `limit` or the rest of a transaction
    more. 0 when there are none, or somebody else is at it.

    What cannot be added up keeps nobody else waiting: fewer are tried, and at last those are left out.
    """
    try:
        return _roll_up(limit)
    except UNCOUNTABLE as error:
        reason = type(error.__cause__).__name__
        if limit > 1:
            log.warning("metrics cannot be added up, fewer are tried", limit=limit, reason=reason)
            return roll_up(max(1, limit // FEWER))
        log.error("metrics left out, they cannot be added up", reason=reason)  # noqa: TRY400
        return _roll_up(limit, leave_out=True)


def _roll_up(limit: int, *, leave_out: bool = False) -> int:
    with transaction.atomic(), transaction.get_connection().cursor() as cursor:
        cursor.execute(SETTINGS, [WORK_MEMORY])
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [ROLLUP_LOCK])
        if cursor.fetchone() != (True,):
            return 0
        state = _read_state(cursor)
        until = _until(cursor, state, limit)
        found = 0 if leave_out else count(cursor, state.new(until))
        _keep_state(cursor, state, until, found)
    return found


def catch_up(longest_seconds: float) -> int:
    """Batch after batch until one was not full, or the time is over; how many metrics it counted.

    What comes meanwhile is left to the next time: few at a time cost most.
    """
    ends, found = time.monotonic() + longest_seconds, 0
    while True:
        counted = roll_up()
        found += counted
        if counted < LIMIT or time.monotonic() > ends:
            return found


def hold_alone(cursor: CursorWrapper) -> State:
    """Waits until nobody else counts, and keeps others from it until the transaction ends."""
    cursor.execute(SETTINGS, [WORK_MEMORY])
    cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [ROLLUP_LOCK])
    return _read_state(cursor)


def count(cursor: CursorWrapper, condition: str, scopes: Sequence[str] = BOTH) -> int:
    """Adds the ledger's rows `q` of a condition to the usage rows; how many they are."""
    return count_rows(cursor, OF_LEDGER.format(condition=condition), scopes)


def count_rows(cursor: CursorWrapper, source: str, scopes: Sequence[str] = BOTH) -> int:
    """As `count`, of a query of ledger rows with a `sign`: 1 to add them, -1 to take them away."""
    found = 0
    for rows in _in_parts(cursor, deltas.USAGE.format(source=source)):
        usage = deltas.usage_deltas(rows)
        book(cursor, usage, (*USAGE_TABLES, *TENANT_TABLES), scopes)
        book(cursor, without_old(usage, _oldest_recent()), [RECENT], scopes)
        found += usage.rows
    for rows in _in_parts(cursor, deltas.SPENDING.format(source=source)):
        book(cursor, deltas.spending_deltas(rows), SPENDING_TABLES, scopes)
    return found


def _oldest_recent() -> float:
    return time.time() - RECENT_DAYS * DAY


def _in_parts(cursor: CursorWrapper, query: str) -> Iterator[list[tuple[Any, ...]]]:
    """Of a result that may be larger than what one likes to have in memory."""
    cursor.execute(f"DECLARE parts NO SCROLL CURSOR FOR {query}")
    while True:
        cursor.execute(f"FETCH {FETCHED} FROM parts")
        if not (rows := cursor.fetchall()):
            break
        yield rows
    cursor.execute("CLOSE parts")


def _read_state(cursor: CursorWrapper) -> State:
    cursor.execute(READ_STATE)
    row = cursor.fetchone()
    assert row
    last, known_cluster, rolled_up_at, now, cluster, at = row
    state = State(Snapshot.parse(last) if last else START, Snapshot.parse(now), cluster, at)
    if known_cluster and (known_cluster != cluster or state.last.end > state.now.end):
        state = _renumber(cursor, state, rolled_up_at)
    return state


def _renumber(cursor: CursorWrapper, state: State, rolled_up_at: datetime) -> State:
    """After the database was restored in another cluster, whose transactions have other numbers.

    Once, and for all rows: what was counted gets the number that says so, the rest that of this
    transaction, so that the next run counts it.
    """
    counted = f"{state.counted('q')} AND q.recorded_at <= %s"
    cursor.execute(RENUMBER.format(xid=f"'{COUNTED}'", condition=counted), [rolled_up_at])
    others = f"q.xid <> '{COUNTED}'"
    cursor.execute(RENUMBER.format(xid="pg_current_xact_id()", condition=others))
    log.warning("ledger renumbered after a restore", cluster=state.cluster)
    return replace(state, last=state.now)


def _until(cursor: CursorWrapper, state: State, limit: int) -> Snapshot:
    """The present snapshot, or an earlier one if there is more than `limit`."""
    cursor.execute(
        f"SELECT q.xid::text FROM public.monitoring_querymetric q WHERE {state.new()}"  # noqa: S608
        f" ORDER BY q.xid OFFSET {int(limit)} - 1 LIMIT 1"
    )
    row = cursor.fetchone()
    if row is None:
        return state.now
    # Never behind the last one: what that saw is counted.
    return state.now.up_to(max(int(row[0]), state.last.end - 1))


def _keep_state(cursor: CursorWrapper, state: State, until: Snapshot, found: int) -> None:
    values = {"snapshot": str(until), "cluster": state.cluster, "at": state.at, "metrics": found}
    cursor.execute(KEEP_STATE, values)
