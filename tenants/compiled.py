"""Tenant migrations turned into SQL once, so that a thousand schemas do not run them a thousand times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython

from tenants.routers import compiling_tenant_schema

if TYPE_CHECKING:
    from collections.abc import Callable

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
    with compiling_tenant_schema():
        state = loader.project_state([])
        return tuple(_compile(loader.get_migration(*key), state) for key in plan)


def migration_names() -> list[str]:
    """Of every tenant migration, oldest first. Compiles nothing."""
    return [name for _, name in _plan()[1]]


@lru_cache(maxsize=1)
def _plan() -> tuple[MigrationLoader, list[tuple[str, str]]]:
    loader = MigrationLoader(None)
    leaves = [leaf for leaf in loader.graph.leaf_nodes() if leaf[0] in settings.TENANT_APPS]
    return loader, [key for leaf in leaves for key in loader.graph.forwards_plan(leaf)]


def compile_migration(migration: Migration, state: ProjectState) -> CompiledMigration:
    """`state` is moved on to the one after the migration."""
    with compiling_tenant_schema():
        return _compile(migration, state)


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
    with connections["owner"].schema_editor(collect_sql=True, atomic=False) as editor:
        for operation in operations:
            before = state.clone()
            operation.state_forwards(label, state)
            operation.database_forwards(label, editor, before, state)
    return "\n".join(editor.collected_sql)
