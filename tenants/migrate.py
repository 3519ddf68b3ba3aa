"""Brings every tenant schema to the newest migration, each in one transaction of its own.

A schema that fails stays whole at the version it had; the next run goes on with what is left.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.utils import OperationalError
from psycopg.errors import LockNotAvailable

from ragadmin.installation import runtime_role
from tenants.compiled import DataStep, compiled_migrations, migration_names
from tenants.isolation import partition, shared
from tenants.isolation.levels import isolation_of
from tenants.models import SchemaVersion, Tenant
from tenants.routers import queries_on_owner
from tenants.schema import owner
from tenants.schema_check import BEHIND, find_problems
from tenants.tables import AS_NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from django.db.backends.utils import CursorWrapper

    from tenants.compiled import CompiledMigration
    from tenants.schema_check import SchemaProblem

log = structlog.get_logger(__name__)

JOBS = 4
CANARIES = 3
# A schema whose tables are held by a long transaction fails, and does not stall the others.
LOCK_TIMEOUT = "3s"
POOLS = frozenset({partition.POOL, shared.POOL})
CANARY_SCHEMAS = isolation_of(Tenant.Isolation.SCHEMA).schema_name(Tenant.CANARY_PREFIX)
Step = str | DataStep


@dataclass(frozen=True, slots=True)
class Failure:
    schema: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """`left` counts the schemas that were not tried, because the canary wave failed."""

    newest: str
    schemas: int
    migrated: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    left: int = 0
    stopped_at_canary: bool = False
    seconds: float = 0.0


def check_schemas() -> list[SchemaProblem]:
    return find_problems(migration_names())


def migrate_schemas(
    migrations: Sequence[CompiledMigration] | None = None,
    *,
    only: Collection[str] | None = None,
    jobs: int = JOBS,
    canaries: int = CANARIES,
    tell: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Runs `migrations`, by default the project's, where they have not been run.

    In every schema, or `only` in those named.
    """
    started = time.perf_counter()
    names = [one.name for one in migrations] if migrations else migration_names()
    problems = [found for found in find_problems(names) if only is None or found.schema in only]
    outcome = Outcome(newest=names[-1], schemas=SchemaVersion.objects.count())
    behind = [found.schema for found in problems if found.kind == BEHIND]
    if behind:
        behind.sort(key=_turn)
        run = _Run(tuple(migrations or compiled_migrations()), jobs, outcome)
        run.migrate_in_waves(behind, canaries, tell)
    outcome.failures += [Failure(p.schema, str(p)) for p in problems if p.kind != BEHIND]
    outcome.migrated.sort()
    outcome.failures.sort(key=lambda failure: failure.schema)
    outcome.seconds = time.perf_counter() - started
    return outcome


def _turn(schema: str) -> int:
    """The isolation check's own tenants go first, and pools of many tenants last."""
    if schema.startswith(CANARY_SCHEMAS):
        return 0
    return 2 if schema in POOLS else 1


@dataclass(slots=True)
class _Run:
    migrations: tuple[CompiledMigration, ...]
    jobs: int
    outcome: Outcome

    def migrate_in_waves(
        self, schemas: list[str], canaries: int, tell: Callable[[str], None]
    ) -> None:
        first, rest = schemas[:canaries], schemas[canaries:]
        if first:
            tell(f"{len(first)} of {len(schemas)} schemas go first: {', '.join(first)}")
            self._run_wave(first)
        if self.outcome.failures:
            self.outcome.left, self.outcome.stopped_at_canary = len(rest), True
            return
        if rest:
            tell(f"{len(rest)} schemas follow, {self.jobs} at a time")
            self._run_wave(rest)

    def _run_wave(self, schemas: list[str]) -> None:
        waiting = deque(schemas)
        jobs = min(self.jobs, len(schemas))
        with ThreadPoolExecutor(jobs, thread_name_prefix="migrate") as pool:
            try:
                for worker in [pool.submit(self._work_off, waiting) for _ in range(jobs)]:
                    worker.result()
            except BaseException:
                waiting.clear()  # interrupted: what has begun is finished, nothing else begins
                raise

    def _work_off(self, waiting: deque[str]) -> None:
        """In a thread, which has an owner's connection of its own."""
        try:
            while waiting:
                try:
                    schema = waiting.popleft()
                except IndexError:  # another thread took the last one
                    return
                self._try(schema)
        finally:
            owner().close()

    def _try(self, schema: str) -> None:
        try:
            if migrate_schema(schema, self.migrations):
                self.outcome.migrated.append(schema)
        except Exception as error:  # a data migration may raise anything
            log.warning("schema not migrated", schema=schema, exc_info=error)
            owner().close_if_unusable_or_obsolete()
            self.outcome.failures.append(Failure(schema, _reason(error)))


def migrate_schema(schema: str, migrations: Sequence[CompiledMigration]) -> bool:
    """In one transaction. False: it has been done, or the schema is gone with its tenant."""
    with transaction.atomic(using="owner"), owner().cursor() as cursor:
        cursor.execute(
            "SELECT version FROM public.tenants_schemaversion WHERE schema_name = %s FOR UPDATE",
            [schema],
        )
        row = cursor.fetchone()
        if row is None or row[0] == migrations[-1].name:
            return False
        migration = _SchemaMigration(schema, cursor)
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';{migration.enter}")
        for step in steps_after(row[0], migrations):
            migration.run(step)
        cursor.execute(
            "UPDATE public.tenants_schemaversion SET version = %s, migrated_at = now()"
            " WHERE schema_name = %s",
            [migrations[-1].name, schema],
        )
    return True


def steps_after(version: str, migrations: Sequence[CompiledMigration]) -> list[Step]:
    """SQL between two data steps is one string, so that it takes one round trip."""
    done = [migration.name for migration in migrations].index(version) + 1
    steps = [step for migration in migrations[done:] for step in migration.steps]
    merged: list[Step] = []
    for step in steps:
        if isinstance(step, str) and merged and isinstance(merged[-1], str):
            merged[-1] += f"\n{step}"
        else:
            merged.append(step)
    return merged


@dataclass
class _SchemaMigration:
    schema: str
    cursor: CursorWrapper

    @property
    def enter(self) -> str:
        return f'{AS_NOBODY}SET LOCAL search_path = "{self.schema}", extensions;'

    def run(self, step: Step) -> None:
        if isinstance(step, str):
            self.cursor.execute(step)
            return
        for tenant_id, slug in self.tenants:
            try:
                self._run_for_tenant(step, tenant_id)
            except Exception as error:
                error.add_note(f"tenant {slug}")
                raise

    @cached_property
    def tenants(self) -> list[tuple[int, str]]:
        self.cursor.execute(
            "SELECT id, slug FROM public.tenants_tenant WHERE schema_name = %s ORDER BY id",
            [self.schema],
        )
        return list(self.cursor.fetchall())

    def _run_for_tenant(self, step: DataStep, tenant_id: int) -> None:
        self.cursor.execute(
            f"SELECT set_config('ragadmin.tenant_id', '{tenant_id}', true);{self._become_bound}"
        )
        with queries_on_owner(), owner().schema_editor(atomic=False) as editor:
            step.code(step.apps, editor)
        # Foreign keys are checked now: later steps may not alter a table with checks to come.
        self.cursor.execute(
            f"SET CONSTRAINTS ALL IMMEDIATE;SET CONSTRAINTS ALL DEFERRED;RESET ROLE;{self.enter}"
        )

    @cached_property
    def _become_bound(self) -> str:
        """Row-level security does not bind a superuser: in a pool one would see everybody's rows."""
        self.cursor.execute(
            "SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user"
        )
        row = self.cursor.fetchone()
        if not (row and row[0]):
            return ""
        return f'SET LOCAL ROLE "{runtime_role(owner().settings_dict["NAME"])}"'


def _reason(error: Exception) -> str:
    if isinstance(error, OperationalError) and isinstance(error.__cause__, LockNotAvailable):
        return f"busy: another transaction held its tables for over {LOCK_TIMEOUT}; run it again"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ": ".join([*getattr(error, "__notes__", []), said])
