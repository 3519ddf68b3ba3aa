"""A tenant taken away for good: its rows, tables, files and keys, counted before and after."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import redis
import structlog
from django.db import OperationalError, transaction
from django.db.models import CASCADE
from psycopg.errors import DeadlockDetected, LockNotAvailable

from ragadmin.errors import Conflict, NotFound
from tenants import redis_keys, schema, storage
from tenants.audit import record_event
from tenants.context import TENANT_LOCK
from tenants.isolation.levels import LEVELS, isolation_of
from tenants.models import RowChange, Tenant, TenantMove
from tenants.moving.cleanup import OWN_INDEXES
from tenants.moving.progress import Stage
from tenants.moving.request import clean_up_tenant
from tenants.moving.session import MOVE_LOCK
from tenants.public_rows import PUBLIC_ROWS
from tenants.tables import tenant_models, tenant_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper

    from tenants.isolation.base import Isolation
    from tenants.models import User

log = structlog.get_logger(__name__)

# Who waits for a lock holds up everybody behind, so it is asked for briefly and again.
LOCK_SECONDS = 2
ATTEMPTS = 6
PAUSE_SECONDS = 0.5
# Reservations are made without the tenant in force, so these keep whoever reserves at this moment away.
LOCK_BUDGETS = "SELECT 1 FROM tenants_budget WHERE tenant_id = %s ORDER BY id FOR UPDATE"
LOCK_BUDGET_PERIODS = """
SELECT 1 FROM tenants_budgetperiod p JOIN tenants_budget b ON b.id = p.budget_id
WHERE b.tenant_id = %s ORDER BY p.id FOR UPDATE OF p
"""
REDIS_AWAY = "Redis cannot be reached: what it keeps of the tenant expires by itself."
FILES_LEFT = "{} files could not be deleted now; they are tried again every day."


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """Counts by kind. `after` is all zero when nothing is left."""

    slug: str
    before: dict[str, int]
    after: dict[str, int]
    notes: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return not any(self.after.values())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def remove_tenant(*, tenant: Tenant, actor: User | str | None) -> RemovalReport:
    """Waits a moment for those who read or write. Raises NotFound, Conflict when they do not end
    or while the tenant is being moved."""
    if TenantMove.objects.filter(tenant_id=tenant.pk).exclude(stage=Stage.DONE).exists():
        clean_up_tenant(tenant.pk)
    before, keys = _remove_from_database(tenant, actor)
    _drop_indexes(tenant)
    notes = []
    left = storage.delete_files(tenant.pk, {*keys, *_listed_files(tenant)})
    if left:
        notes.append(FILES_LEFT.format(left))
    else:
        storage.unmark_leftover(tenant.pk)
    try:
        redis_keys.delete_keys(tenant.pk)
    except redis.RedisError:
        notes.append(REDIS_AWAY)
    after = count_everything(tenant)
    log.info("tenant deleted", tenant=tenant.slug, left=sum(after.values()))
    return RemovalReport(tenant.slug, before, after, notes)


def count_everything(tenant: Tenant) -> dict[str, int]:
    """What there is of the tenant, wherever a level of isolation could have put it."""
    with transaction.atomic(using="owner"), schema.owner().cursor() as cursor:
        return _count(cursor, tenant)


def _remove_from_database(
    tenant: Tenant, actor: User | str | None
) -> tuple[dict[str, int], list[str]]:
    """What there was, and the keys of its files."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic(using="owner"), schema.owner().cursor() as cursor:
                _hold_alone(cursor, tenant)
                storage.mark_leftover(tenant.pk)
                before, keys = _count(cursor, tenant), _noted_files(cursor, tenant)
                _remove_rows(cursor, tenant)
                counts: dict[str, Any] = {kind: count for kind, count in before.items() if count}
                record_event(
                    "tenant.deleted", actor=actor, target=tenant.slug, using="owner", **counts
                )
                return before, keys
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                raise
            time.sleep(PAUSE_SECONDS * attempt)
    raise Conflict(
        f"The tenant {tenant.slug} is in use and was not deleted: somebody reads or writes it for "
        "long, such as an export, a move or a big upload. Suspend it, and try again in a minute.",
        code="tenant_in_use",
    )


def _hold_alone(cursor: CursorWrapper, tenant: Tenant) -> None:
    """No reader or writer of the tenant is beside this transaction. Raises NotFound."""
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    # A plan for any tenant would look at every partition when a document's chunks go with it.
    cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [TENANT_LOCK, tenant.pk])
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [MOVE_LOCK, tenant.pk])
    if cursor.fetchone() != (True,):
        raise Conflict(
            f"The tenant {tenant.slug} is being moved or deleted by somebody else: wait for it, or cancel the move.",
            code="tenant_moving",
        )
    # In the order of the workers, who claim a job and then note its tenant.
    cursor.execute(
        "SELECT 1 FROM tenants_documentjob WHERE tenant_id = %s ORDER BY id FOR UPDATE",
        [tenant.pk],
    )
    cursor.execute(LOCK_BUDGETS, [tenant.pk])
    cursor.execute(LOCK_BUDGET_PERIODS, [tenant.pk])
    rows = Tenant.objects.using("owner").select_for_update()
    current = rows.filter(pk=tenant.pk).first()
    if current is None:
        raise NotFound(f"There is no tenant {tenant.slug!r}: it was deleted already.")
    tenant.isolation, tenant.schema_name = current.isolation, current.schema_name


def _remove_rows(cursor: CursorWrapper, tenant: Tenant) -> None:
    for level, place in _places(tenant):
        if level.level == "schema" or _exists(cursor, place.schema_name):
            level.remove(cursor, place)
    for rows in PUBLIC_ROWS:
        rows.remove(cursor, tenant.pk)
    RowChange.objects.using("owner").filter(tenant_id=tenant.pk).delete()
    Tenant.objects.using("owner").filter(pk=tenant.pk).delete()


def _drop_indexes(tenant: Tenant) -> None:
    """Of its vectors, in a pool. Beside the other tenants there, which would wait otherwise."""
    with schema.owner().cursor() as cursor:
        for _, place in _places(tenant):
            cursor.execute(OWN_INDEXES, [f'"{place.schema_name}"', tenant.pk])
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _places(tenant: Tenant) -> Iterator[tuple[Isolation, Tenant]]:
    """Where it is, and wherever a move that broke off may have left copies."""
    names = {(level.level, level.schema_name(tenant.slug)) for level in LEVELS.values()}
    names.add((tenant.isolation, tenant.schema_name))
    moves = TenantMove.objects.using("owner").filter(tenant_id=tenant.pk)
    for move in moves:
        names |= {
            (move.from_isolation, move.from_schema),
            (move.to_isolation, move.to_schema),
        }
    for level, schema_name in sorted(names):
        place = copy(tenant)
        place.schema_name = schema_name
        yield isolation_of(level), place


def _count(cursor: CursorWrapper, tenant: Tenant) -> dict[str, int]:
    counts = dict.fromkeys(("own tables", *map(_kind, tenant_tables())), 0)
    cursor.execute("SELECT set_config('ragadmin.tenant_id', %s, true)", [str(tenant.pk)])
    for level, place in _places(tenant):
        counts["own tables"] += _count_own_tables(cursor, level, place)
        for table in tenant_tables():
            counts[_kind(table)] += _count_rows(cursor, place, table)
    for relation in Tenant._meta.related_objects:  # noqa: SLF001
        if relation.on_delete is CASCADE:
            rows = relation.related_model._base_manager.using("owner")  # noqa: SLF001
            found = rows.filter(**{relation.field.name: tenant.pk}).count()
            counts[str(relation.related_model._meta.verbose_name_plural)] = found  # noqa: SLF001
    for rows in PUBLIC_ROWS:
        counts |= rows.count(cursor, tenant.pk)
    counts["row changes"] = RowChange.objects.using("owner").filter(tenant_id=tenant.pk).count()
    counts["tenants"] = Tenant.objects.using("owner").filter(pk=tenant.pk).count()
    counts["files"] = len(_listed_files(tenant))
    counts["redis keys"] = _count_redis_keys(tenant)
    return counts


def _kind(table: str) -> str:
    return f"{table.partition('_')[2]} rows"


def _count_own_tables(cursor: CursorWrapper, level: Isolation, place: Tenant) -> int:
    """Of a schema tenant all tables, of a partition tenant its partition."""
    cursor.execute(
        "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s))"
        " AND relkind IN ('r', 'p') AND (%s OR relname LIKE %s)",
        [place.schema_name, level.level == "schema", rf"%\_t{place.pk}"],
    )
    return cursor.fetchone()[0]


def _count_rows(cursor: CursorWrapper, place: Tenant, table: str) -> int:
    if not _has_table(cursor, place, table):
        return 0
    cursor.execute(
        f'SELECT count(*) FROM "{place.schema_name}"."{table}" WHERE tenant_id = %s',  # noqa: S608
        [place.pk],
    )
    return cursor.fetchone()[0]


def _has_table(cursor: CursorWrapper, place: Tenant, table: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f'"{place.schema_name}"."{table}"'])
    return cursor.fetchone()[0]


def _exists(cursor: CursorWrapper, schema_name: str) -> bool:
    cursor.execute("SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", [schema_name])
    return cursor.fetchone()[0]


def _count_redis_keys(tenant: Tenant) -> int:
    try:
        return redis_keys.count_keys(tenant.pk)
    except redis.RedisError:
        return 0


def _listed_files(tenant: Tenant) -> list[str]:
    try:
        kinds = (storage.FILES, storage.EXPORTS)
        return [key for kind in kinds for key in storage.file_keys(tenant.pk, kind)]
    except NotImplementedError:
        return []


def _noted_files(cursor: CursorWrapper, tenant: Tenant) -> list[str]:
    """By the tenant's rows, for a storage that cannot list what it holds."""
    tables = [
        model._meta.db_table  # noqa: SLF001
        for model in tenant_models()
        if any(each.name == "storage_key" for each in model._meta.fields)  # noqa: SLF001
    ]
    keys: list[str] = []
    for _, place in _places(tenant):
        for table in tables:
            if _has_table(cursor, place, table):
                cursor.execute(
                    f'SELECT storage_key FROM "{place.schema_name}"."{table}"'  # noqa: S608
                    " WHERE tenant_id = %s",
                    [place.pk],
                )
                keys += [key for (key,) in cursor.fetchall() if storage.is_of(tenant.pk, key)]
    return keys
