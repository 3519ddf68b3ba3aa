"""Whether each service works, and what does not work without it.

An app adds checks of its own with `register`, so that this module knows nothing of it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader

from ragadmin.errors import RagadminError
from ragadmin.heartbeats import ALIVE_SECONDS, seconds_since_life
from tenants.compiled import migration_names
from tenants.migrate import check_schemas
from tenants.schema import OLDEST_PGVECTOR
from tenants.schema_check import MISSING, UNRECORDED

if TYPE_CHECKING:
    from collections.abc import Callable

OF_ONE_TENANT = (MISSING, UNRECORDED)


@dataclass(frozen=True, slots=True)
class Check:
    """`breaks` is what does not work while this is not `ok`."""

    name: str
    ok: bool
    detail: str
    breaks: str


class NotWell(RagadminError):
    """Raised by a probe, with the reason."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`run` returns a line about a service that works, and raises for one that does not."""

    name: str
    breaks: str
    run: Callable[[], str]
    needed_for_requests: bool = False

    def check(self) -> Check:
        try:
            return Check(self.name, ok=True, detail=self.run(), breaks=self.breaks)
        except (RagadminError, Error, redis.RedisError, OSError, RuntimeError) as error:
            return Check(self.name, ok=False, detail=_in_a_line(error), breaks=self.breaks)


def register(probe: Probe) -> None:
    """In an app's `ready()`."""
    if probe not in PROBES:
        PROBES.append(probe)


def run_checks() -> list[Check]:
    """Every service, for the operator."""
    return [probe.check() for probe in PROBES]


def run_readiness_checks() -> list[Check]:
    """What a request cannot be served without, for the load balancer: quick."""
    return [probe.check() for probe in PROBES if probe.needed_for_requests]


def probe_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_user")
        row = cursor.fetchone()
    assert row
    version, role = row
    return f"PostgreSQL {version.split()[0]}, as {role}"


def probe_pgvector() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        row = cursor.fetchone()
    if row is None:
        raise NotWell("The extension is missing: run `manage.py up`, which makes it.")
    if tuple(int(part) for part in row[0].split(".")[:2]) < OLDEST_PGVECTOR:
        raise NotWell(f"Version {row[0]} is too old: 0.7 or newer is needed.")
    return f"version {row[0]}"


def probe_migrations() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        missing = _newest_migrations() - set(cursor.fetchall())
    if missing:
        app, name = min(missing)
        raise NotWell(f"{app} lacks {name}: run `manage.py up` or `migrate --database owner`.")
    others = [found for found in check_schemas() if found.kind not in OF_ONE_TENANT]
    if others:
        raise NotWell(
            f"{len(others)} tenant schemas are not at {migration_names()[-1]}"
            f" ({others[0].schema} first): run `manage.py migrate_schemas`."
        )
    return f"tables and tenant schemas at {migration_names()[-1]}"


def probe_tenant_schemas() -> str:
    """Apart from the migrations: a schema that is gone concerns one tenant, not whoever asks."""
    lost = [found for found in check_schemas() if found.kind in OF_ONE_TENANT]
    if lost:
        raise NotWell(f"{len(lost)} damaged; {lost[0].schema}: {lost[0]}.")
    return "every tenant has its schema"


@lru_cache(maxsize=1)
def _newest_migrations() -> frozenset[tuple[str, str]]:
    leaves = MigrationLoader(None).graph.leaf_nodes()
    return frozenset(leaf for leaf in leaves if leaf[0] not in settings.TENANT_APPS)


def probe_redis() -> str:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2
    ) as client:
        found = client.info("server")
    assert isinstance(found, dict)
    return f"Redis {found['redis_version']}"


def probe_worker() -> str:
    return _probe_heartbeat("worker")


def probe_beat() -> str:
    return _probe_heartbeat("beat")


def _probe_heartbeat(role: str) -> str:
    ages = {name: age for name, age in seconds_since_life(role).items() if age <= ALIVE_SECONDS}
    if not ages:
        raise NotWell(f"No sign of life in the last {ALIVE_SECONDS} seconds.")
    return f"{', '.join(sorted(ages))}; last sign {min(ages.values()):.0f} s ago"


def probe_storage() -> str:
    folder = Path(settings.STORAGES["default"]["OPTIONS"]["location"])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
    return f"{folder} is writable"


def _in_a_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


PROBES = [
    Probe("database", "Everything.", probe_database, needed_for_requests=True),
    Probe("pgvector", "Search, answers and indexing.", probe_pgvector),
    Probe("migrations", "Whatever was added last.", probe_migrations, needed_for_requests=True),
    Probe("tenant schemas", "The tenants named; all others work.", probe_tenant_schemas),
    Probe(
        "redis",
        "New documents are not indexed, caches are empty; questions are still answered.",
        probe_redis,
        needed_for_requests=True,
    ),
    Probe("worker", "Uploaded documents stay queued.", probe_worker),
    Probe("beat", "Nothing happens by the clock: lost work is not taken up again.", probe_beat),
    Probe("storage", "Uploads are refused.", probe_storage),
]
