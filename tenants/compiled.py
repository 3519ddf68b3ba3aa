"""Tenant migrations turned into SQL once, so that a thousand schemas do not run them a thousand times."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython

from tenants.routers import compiling_tenant_schema
from tenants.tables import AS_NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.backends.utils import CursorWrapper
    from django.db.migrations import Migration
    from django.db.migrations.operations.base import Operation
    from django.db.migrations.state import ProjectState, StateApps


@dataclass(frozen=True, slots=True)
class DataStep:
    """A RunPython operation: run for each tenant of a schema, with that tenant in force."""

    code: Callable[[Any, Any], None]
    apps: StateApps


@dataclass(frozen=True, slots=True)
class CompiledMigration:
    """`steps` in order: SQL for a whole schema, or Python for each tenant in it."""

    name: str
    steps: tuple[str | DataStep, ...]

    @property
    def sql(self) -> str:
        return "\n".join(step for step in self.steps if isinstance(step, str))


@lru_cache(maxsize=1)
def compiled_migrations() -> tuple[CompiledMigration, ...]:
    """Every tenant migration, oldest first."""
    loader, plan = _plan()
    state = loader.project_state([])
    with _empty_schema(), compiling_tenant_schema():
        return tuple(_compile(loader.get_migration(*key), state) for key in plan)


def migration_names() -> list[str]:
    """Of every tenant migration, oldest first. Compiles nothing."""
    return [name for _, name in _plan()[1]]


@lru_cache(maxsize=1)
def _plan() -> tuple[MigrationLoader, list[tuple[str, str]]]:
    loader = MigrationLoader(None)
    leaves = [leaf for leaf in loader.graph.leaf_nodes() if leaf[0] in settings.TENANT_APPS]
    return loader, [key for leaf in leaves for key in loader.graph.forwards_plan(leaf)]


def compile_after(
    done: Sequence[CompiledMigration], migration: Migration, state: ProjectState
) -> CompiledMigration:
    """`state` is the one after `done`, and is moved on to the one after the migration."""
    with _empty_schema() as cursor, compiling_tenant_schema():
        cursor.execute("\n".join(one.sql for one in done))
        return _compile(migration, state)


@contextmanager
def _empty_schema() -> Iterator[CursorWrapper]:
    """A schema to try each statement in, rolled back at the end.

    Django asks the database for the names of the constraints and indexes that a migration drops:
    where there are none, it would leave them out without a word.
    """
    name = f"compile_{uuid.uuid4().hex}"
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(
            f"{AS_NOBODY} CREATE SCHEMA {name}; SET LOCAL search_path = {name}, extensions"
        )
        yield cursor
        transaction.set_rollback(True, using="owner")


class _Recorder(DatabaseSchemaEditor):
    """Runs every statement and keeps it."""

    def __init__(self) -> None:
        super().__init__(connections["owner"], atomic=False)
        self.statements: list[str] = []

    def execute(self, sql: Any, params: Any = ()) -> None:
        text = str(sql)
        if params is not None:
            text = self.connection.ops.compose_sql(text, params)
        super().execute(text, None)
        self.statements.append(text if text.rstrip().endswith(";") else f"{text};")


def _compile(migration: Migration, state: ProjectState) -> CompiledMigration:
    steps: list[str | DataStep] = []
    operations: list[Operation] = []
    for operation in migration.operations:
        if isinstance(operation, RunPython):
            steps.append(_as_sql(migration, operations, state))
            operations = []
            steps.append(DataStep(operation.code, state.clone().apps))
        else:
            operations.append(operation)
    steps.append(_as_sql(migration, operations, state))
    return CompiledMigration(migration.name, tuple(step for step in steps if step))


def _as_sql(migration: Migration, operations: list[Operation], state: ProjectState) -> str:
    label = migration.app_label
    editor = _Recorder()
    with editor:
        for operation in operations:
            before = state.clone()
            operation.state_forwards(label, state)
            operation.database_forwards(label, editor, before, state)
    return "\n".join(editor.statements)
