"""Moves a tenant while questions and syncs go on. The whole way, top to bottom.

Until the switch the tenant is where it was, and every failure leaves it there; from the switch on
it is at the new place. Whatever else is left lying about is removed by the next clean-up.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import Error, OperationalError
from django.utils import timezone

from ragadmin.errors import Conflict, RagadminError
from tenants.audit import record_event
from tenants.context import TENANT_LOCK
from tenants.isolation.levels import isolation_of
from tenants.models import Tenant, TenantMove
from tenants.moving.capture import place_of_rows, start_capture, take_changes
from tenants.moving.cleanup import clean_up, clean_up_after
from tenants.moving.compare import compare_all, compare_counts, compare_touched, count_rows
from tenants.moving.copy import Route, apply_changes, copy_batch
from tenants.moving.place import tenant_at
from tenants.moving.progress import Stage, mark_failed, still_running, write_progress
from tenants.moving.sequences import advance_sequences
from tenants.moving.session import MoveFailed, is_lock_timeout
from tenants.moving.tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.utils import CursorWrapper

    from tenants.moving.compare import TableState
    from tenants.moving.session import Session

    Report = Callable[[Stage], None]

# So few that the switch, which keeps everybody waiting, has next to nothing to do.
FEW_CHANGES = 100
# How long a switch waits for transactions of the tenant to end, and others behind it: longer each time.
FIRST_WAIT_MS, LONGEST_WAIT_MS = 100, 3_000
PAUSE_SECONDS = 0.25
SWITCH_TRIES = 120


@dataclass(slots=True)
class Result:
    """`held_ms`: how long nobody could read or write the tenant."""

    move: TenantMove
    compared: dict[str, TableState] = field(default_factory=dict)
    seconds: float = 0.0
    copy_seconds: float = 0.0
    held_ms: float = 0.0
    tries: int = 0
    is_cleaned: bool = False

    @property
    def rows(self) -> int:
        return sum(state.rows for state in self.compared.values())


class Mover:
    """One run over one TenantMove, under its session's lock."""

    def __init__(self, session: Session, move: TenantMove, report: Report) -> None:
        self.session, self.move, self.report = session, move, report
        self.result = Result(move)

    def run(self) -> Result:
        started = time.perf_counter()
        try:
            self._copy_and_switch()
        except BaseException as error:
            self._fail(error)
            raise
        self.result.seconds = time.perf_counter() - started
        self._remove_old_place()
        return self.result

    def _copy_and_switch(self) -> None:
        self._enter(Stage.PREPARING)
        clean_up(self.session)
        route = self._prepare()
        self._enter(Stage.CAPTURING)
        start_capture(self.session, route.source, route.tables)
        self._enter(Stage.COPYING)
        self._copy(route)
        self._enter(Stage.CATCHING_UP)
        self._analyze(route)
        self._catch_up(route)
        self._enter(Stage.COMPARING)
        self._compare(route)
        self._enter(Stage.SWITCHING)
        self._switch(route)

    def _enter(self, stage: Stage) -> None:
        write_progress(self.move, stage)
        self.report(stage)

    def _prepare(self) -> Route:
        move = self.move
        target = tenant_at(move.tenant, move.to_isolation, move.to_schema)
        with self.session.transaction() as cursor:
            tables = read_tables(cursor, move.from_schema)
            total = sum(count_rows(cursor, move.from_schema, tables, target.id).values())
        level = isolation_of(move.to_isolation)
        self.session.retry(lambda cursor: level.provision(cursor, target))
        route = Route(target.id, move.from_schema, move.to_schema, tables)
        with self.session.transaction() as cursor:
            _check_same_tables(cursor, route)
        still_running(move).update(rows_total=total)
        return route

    def _copy(self, route: Route) -> None:
        started = time.perf_counter()
        for table in route.tables:
            count, last = 1, None
            while count:
                with self.session.transaction() as cursor:
                    count, last = copy_batch(cursor, route, table, last)
                    write_progress(self.move, Stage.COPYING, copied=count)
        self.result.copy_seconds = time.perf_counter() - started

    def _analyze(self, route: Route) -> None:
        """So that the first question at the new place is planned as well as the last at the old one."""
        for table in route.tables:
            with self.session.transaction() as cursor:
                place = place_of_rows(cursor, route.target, table.name, route.tenant_id)
                cursor.execute(f'ANALYZE "{route.target}".{place}')

    def _catch_up(self, route: Route) -> None:
        while self._apply_log(route) > FEW_CHANGES:
            write_progress(self.move, Stage(self.move.stage))

    def _apply_log(self, route: Route) -> int:
        """In one snapshot, so that all that belongs together comes together. Returns how many rows."""
        with self.session.transaction(one_snapshot=True) as cursor:
            return _apply(cursor, route)

    def _compare(self, route: Route) -> None:
        with self.session.transaction(one_snapshot=True) as cursor:
            _apply(cursor, route)
            self.result.compared = compare_all(cursor, route)

    def _switch(self, route: Route) -> None:
        """Gives way to the tenant's longer transactions, and catches up before it tries again."""
        wait_ms = FIRST_WAIT_MS
        for attempt in range(1, SWITCH_TRIES + 1):
            self._catch_up(route)
            write_progress(self.move, Stage.SWITCHING)
            self.result.tries = attempt
            try:
                self._switch_now(route, wait_ms)
            except OperationalError as error:
                if not is_lock_timeout(error):
                    raise
                time.sleep(PAUSE_SECONDS)
                wait_ms = min(wait_ms * 2, LONGEST_WAIT_MS)
            else:
                return
        raise MoveFailed(
            "The tenant was busy all the time, so that there was no moment for the switch: "
            "move it again when less is going on.",
            code="move_busy",
        )

    def _switch_now(self, route: Route, wait_ms: int) -> None:
        """Nobody sees neither place or both: whoever enters waits for the lock, then reads where."""
        with self.session.transaction(lock_ms=wait_ms) as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [TENANT_LOCK, route.tenant_id])
            held = time.perf_counter()
            self._check_unchanged(cursor, route)
            _apply(cursor, route)
            compare_counts(cursor, route)
            advance_sequences(cursor, route)
            self._note_switch(held)
        self.result.held_ms = (time.perf_counter() - held) * 1000

    def _check_unchanged(self, cursor: CursorWrapper, route: Route) -> None:
        _check_same_tables(cursor, route)
        here = Tenant.objects.using("owner").filter(
            pk=route.tenant_id, schema_name=route.source, isolation=self.move.from_isolation
        )
        if not here.exists():
            raise MoveFailed("The tenant is not there any more, or was moved by somebody else.")

    def _note_switch(self, held: float) -> None:
        move = self.move
        # An index of the vectors is not copied: it is built anew when it is looked at next.
        Tenant.objects.using("owner").filter(pk=move.tenant.pk).update(
            isolation=move.to_isolation,
            schema_name=move.to_schema,
            hnsw_ef=0,
            vector_recall=None,
        )
        write_progress(move, Stage.LEFTOVERS)
        TenantMove.objects.using("owner").filter(pk=move.pk).update(
            status=TenantMove.Status.SUCCEEDED, finished_at=timezone.now()
        )
        record_event(
            "tenant.moved",
            actor=move.moved_by,
            tenant=move.tenant,
            target=move.tenant.slug,
            using="owner",
            from_isolation=move.from_isolation,
            to_isolation=move.to_isolation,
            rows=self.result.rows,
            held_ms=round((time.perf_counter() - held) * 1000, 1),
        )

    def _remove_old_place(self) -> None:
        """The move is over; what cannot be removed now is removed by the clock."""
        self.move.status, self.move.stage = TenantMove.Status.SUCCEEDED, Stage.LEFTOVERS
        self.report(Stage.LEFTOVERS)
        try:
            clean_up(self.session)
        except (Error, MoveFailed):
            return
        self.result.is_cleaned = True
        self.move.stage = Stage.DONE

    def _fail(self, error: BaseException) -> None:
        """Without the database there is nothing to note: the next one finds the lock free."""
        message = error.message if isinstance(error, RagadminError) else _describe(error)
        with suppress(Error, MoveFailed):
            this = TenantMove.objects.using("owner").filter(pk=self.move.pk)
            mark_failed(this, message)
            if this.exists():
                clean_up(self.session)
            else:  # the tenant was deleted, and the note of its move with it
                clean_up_after(self.session, self.move)


def _apply(cursor: CursorWrapper, route: Route) -> int:
    touched = take_changes(cursor, route.tenant_id)
    apply_changes(cursor, route, touched)
    compare_touched(cursor, route, touched)
    return sum(map(len, touched.values()))


def _check_same_tables(cursor: CursorWrapper, route: Route) -> None:
    """A column that one place does not have would be lost."""
    here = {table.name: table.types for table in route.tables}
    for schema in (route.source, route.target):
        if {table.name: table.types for table in read_tables(cursor, schema)} != here:
            raise Conflict(
                f"The tables in {route.source} and {route.target} are not of the same version: "
                "run `python manage.py migrate_schemas`, then move again.",
                code="schema_behind",
            )


def _describe(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'stopped'}"
