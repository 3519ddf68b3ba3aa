"""The mover's connection: the owner's, with a lock that says that this tenant is being moved.

The lock belongs to the connection and not to a transaction: it ends with the process, however that
ends, and only when the server has given up the last statement of it.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from django.db import OperationalError, transaction
from psycopg import errors

from ragadmin.errors import Conflict, RagadminError
from tenants.schema import owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.backends.utils import CursorWrapper

T = TypeVar("T")

# The first half of an advisory lock's key; the second is the tenant's id.
MOVE_LOCK = 0x6D76
# A process that was just killed has its lock until the server notices.
WAIT_FOR_DEAD_SECONDS = 3.0
# How long others may wait behind a lock on a table that they share with this tenant.
TABLE_LOCK_MS = 200
GIVE_UP_SECONDS = 120.0
IS_MOVING = """
SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND granted
    AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class MoveFailed(RagadminError):
    """The move stopped; the tenant is whole where it was."""

    code = "move_failed"
    status = 500


class Session:
    def __init__(self, tenant_id: int, backend: int) -> None:
        self.tenant_id = tenant_id
        self._backend = backend

    @contextmanager
    def transaction(
        self, *, one_snapshot: bool = False, lock_ms: int = 0
    ) -> Iterator[CursorWrapper]:
        """With the tenant in force for row-level security, which binds the owner too."""
        with transaction.atomic(using="owner"), owner().cursor() as cursor:
            if one_snapshot:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(
                "SELECT set_config('ragadmin.tenant_id', %s, true),"
                " set_config('lock_timeout', %s, true), pg_backend_pid()",
                [str(self.tenant_id), str(lock_ms)],
            )
            if cursor.fetchone()[2] != self._backend:
                raise MoveFailed(
                    "The connection to the database was lost: move again. DATABASE_URL must lead "
                    "to Postgres itself, not to a pooler that changes connections in between."
                )
            yield cursor

    def retry(self, action: Callable[[CursorWrapper], T]) -> T:
        """Does `action` in a transaction that gives way to others and tries again a little later."""
        end = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                with self.transaction(lock_ms=TABLE_LOCK_MS) as cursor:
                    return action(cursor)
            except OperationalError as error:
                if not is_lock_timeout(error):
                    raise
                if time.monotonic() > end:
                    raise _too_busy() from error
            time.sleep(TABLE_LOCK_MS / 1000)


def is_lock_timeout(error: Exception) -> bool:
    return isinstance(error.__cause__, errors.LockNotAvailable | errors.DeadlockDetected)


@contextmanager
def open_session(tenant_id: int) -> Iterator[Session]:
    """Raises Conflict when another process moves this tenant."""
    with owner().cursor() as cursor:
        # So that a statement of a killed process ends soon, and the lock with it.
        cursor.execute("SET client_connection_check_interval = '500ms'")
        _take_lock(cursor, tenant_id)
        cursor.execute("SELECT pg_backend_pid()")
        session = Session(tenant_id, cursor.fetchone()[0])
    try:
        yield session
    finally:
        # Ends the lock whatever state the connection is in.
        owner().close()


def _take_lock(cursor: CursorWrapper, tenant_id: int) -> None:
    end = time.monotonic() + WAIT_FOR_DEAD_SECONDS
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [MOVE_LOCK, tenant_id])
        if cursor.fetchone()[0]:
            return
        if time.monotonic() > end:
            raise already_moving()
        time.sleep(0.1)


def is_moving(cursor: CursorWrapper, tenant_id: int) -> bool:
    """Whether a living process has the lock."""
    cursor.execute(IS_MOVING, [MOVE_LOCK, tenant_id])
    return cursor.fetchone() is not None


def _too_busy() -> MoveFailed:
    return MoveFailed(
        f"Tables that the tenant shares with others were in use for {GIVE_UP_SECONDS:.0f} seconds "
        "without a pause: look for a long transaction, then move again.",
        code="move_busy",
    )


def already_moving() -> Conflict:
    return Conflict(
        "The tenant is being moved already: wait until that is done, or cancel it.",
        code="move_running",
    )
