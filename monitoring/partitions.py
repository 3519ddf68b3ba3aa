"""The ledger's days: a partition each, made ahead and dropped whole.

A day without one is in the default partition, where everything works as well; if it is not too long, it
is moved out of there as soon as its partition is made.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from monitoring.rollups import hold_alone
from tenants.schema import owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.backends.utils import CursorWrapper

    from monitoring.rollups import State

log = structlog.get_logger(__name__)

DAYS_AHEAD = 7
# Who waits for a lock holds up everybody behind; what is not had now is had the next time.
LOCK_SECONDS = 1
DEFAULT = "monitoring_querymetric_default"
PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'monitoring_querymetric'::regclass AND c.relname <> %s
"""
DAYS_IN_DEFAULT = f"""
SELECT DISTINCT (asked_at AT TIME ZONE 'UTC')::date FROM {DEFAULT}
WHERE asked_at >= %s AND asked_at < %s
"""  # noqa: S608
# The whole before its parts, as who writes takes them: else a row that was on its way into the default
# partition would find that its day is another's by now, and its answer would fail.
LOCK_WRITERS = f"""
LOCK TABLE ONLY monitoring_querymetric IN SHARE MODE; LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE
"""
LOCK_ALL = "LOCK TABLE ONLY monitoring_querymetric IN ACCESS EXCLUSIVE MODE"
# Writers wait while rows are moved. A day that has more in the default partition stays there.
MOST_MOVED = 200_000
IS_TOO_LONG = f"""
SELECT EXISTS (SELECT FROM {DEFAULT} WHERE asked_at >= %s AND asked_at < %s OFFSET %s)
"""  # noqa: S608
# Noted before, so that nobody takes what is left of a day for all of it.
NOTE = """
UPDATE monitoring_rollupstate SET kept_from = greatest(kept_from, %s::timestamptz)
"""
# The default partition's rows of the day would keep it from being attached.
MAKE = """
CREATE TABLE {name} (LIKE monitoring_querymetric INCLUDING ALL);
WITH moved AS (
    DELETE FROM {default} WHERE asked_at >= '{start}' AND asked_at < '{end}' RETURNING *)
INSERT INTO {name} SELECT * FROM moved;
ALTER TABLE monitoring_querymetric ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')
"""


def make_days(today: date, oldest: date) -> list[date]:
    """Those of the next week, and older ones that the default partition has rows of; those made."""
    with owner().cursor() as cursor:
        there = set(_days(cursor))
        until = today + timedelta(DAYS_AHEAD + 1)
        cursor.execute(DAYS_IN_DEFAULT, [str(oldest), str(until)])
        wanted = {day for (day,) in cursor.fetchall()}
    wanted |= {today + timedelta(days) for days in range(DAYS_AHEAD + 1)}
    # The latest first: then nobody writes into the default partition while its older days are moved.
    return sorted(_each(_make, sorted(wanted - there, reverse=True)))


def drop_days(before: date) -> list[date]:
    """Older days, if all of them is counted; those dropped."""
    with owner().cursor() as cursor:
        old = sorted(day for day in _days(cursor) if day < before)
    with owner().cursor() as cursor:
        cursor.execute(NOTE, [str(before)])
    dropped = list(_each(_drop, old))
    _empty_default(before)
    return dropped


def _each(change: Callable[[date], bool | None], days: Sequence[date]) -> Iterator[date]:
    """Those that it changed. Where a lock was not to be had the others would only hold up writers too."""
    for day in days:
        is_changed = change(day)
        if is_changed is None:
            return
        if is_changed:
            yield day


def name_of(day: date) -> str:
    return f"monitoring_querymetric_{day:%Y%m%d}"


def _days(cursor: CursorWrapper) -> list[date]:
    cursor.execute(PARTITIONS, [DEFAULT])
    names = [name.removeprefix("monitoring_querymetric_") for (name,) in cursor.fetchall()]
    return [datetime.strptime(name, "%Y%m%d").replace(tzinfo=UTC).date() for name in names]


def _make(day: date) -> bool | None:
    """None: the ledger was in use."""
    end = day + timedelta(1)
    with _alone(f"make {day}") as (cursor, _):
        cursor.execute(IS_TOO_LONG, [f"{day} 00:00Z", f"{end} 00:00Z", MOST_MOVED])
        if cursor.fetchone() == (True,):
            return False
        cursor.execute(LOCK_WRITERS)
        statements = MAKE.format(
            name=name_of(day), default=DEFAULT, start=f"{day} 00:00Z", end=f"{end} 00:00Z"
        )
        cursor.execute(statements)
        return True
    return None


def _drop(day: date) -> bool | None:
    """None: the ledger was in use."""
    with _alone(f"drop {day}") as (cursor, state):
        # First, so that no thumb comes between the look and the end.
        cursor.execute(LOCK_ALL)
        if _has_uncounted(cursor, state, name_of(day)):
            return False
        cursor.execute(f"DROP TABLE {name_of(day)}")
        return True
    return None


def _has_uncounted(cursor: CursorWrapper, state: State, table: str) -> bool:
    """Found by the index: below the bound everything is counted."""
    cursor.execute(
        f"SELECT EXISTS (SELECT FROM {table} q WHERE q.xid >= '{state.last.least}'::xid8"  # noqa: S608
        f" AND NOT {state.counted()})"
    )
    return cursor.fetchone()[0]


def _empty_default(before: date) -> None:
    with _alone("empty the default") as (cursor, state):
        condition = f"q.asked_at < %s AND {state.counted()}"
        cursor.execute(f"DELETE FROM {DEFAULT} q WHERE {condition}", [str(before)])  # noqa: S608


@contextmanager
def _alone(what: str) -> Iterator[tuple[CursorWrapper, State]]:
    """A transaction beside no summing up. Ends early, and says so, where a lock is not to be had."""
    try:
        with transaction.atomic(using="owner"), owner().cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            yield cursor, hold_alone(cursor)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        log.info("the ledger is in use, tried again later", what=what)
