"""A real Postgres + pgvector and a real Redis for the whole session; tenants made and dropped by the tests."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.signals import setting_changed
from django.db import connections
from psycopg.pq import TransactionStatus

from ragadmin import installation
from ragadmin.embedded.postgres import EmbeddedPostgres
from ragadmin.embedded.redis import EmbeddedRedis
from tests import lent

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 2**30
# Nothing is kept beyond the session, so nothing has to outlive a crash of the machine. Statistics
# are gathered by those who need them, and a small log leaves memory to others.
HASTY = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_wal_size=256MB",
    "scram_iterations=1",
)


def pytest_configure():
    """Temporary folders lie in memory where there is plenty of it: the eighty files of a new tenant
    cost 45 ms of CPU on a disk and 4 in memory."""
    if not MEMORY.is_dir():
        return
    free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    if free > ENOUGH_BYTES:
        tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)


@pytest.fixture(scope="session")
def services():
    """URLs of the session's own servers, with migrations applied through the owner."""
    with tempfile.TemporaryDirectory(prefix="ragadmin-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        running = []
        postgres = EmbeddedPostgres(folder / "postgres", "test")
        redis = EmbeddedRedis(folder / "redis", "test")
        for part in (postgres, redis):
            part.initialise()
            service = part.service()
            if part is postgres:
                service.argv += [word for value in HASTY for word in ("-c", value)]
            process = service.start()
            running.append((service, process))
            service.wait_until_ready(process)
        postgres.create_database()
        yield {"database": postgres.url, "redis": redis.url, "folder": folder}
        for service, process in reversed(running):
            service.stop(process)


@pytest.fixture(scope="session")
def django_db_setup(services, django_db_blocker):
    """Points Django at the session's servers. Nothing is rolled back: each test makes its own tenants."""
    from tenants.schema import prepare_database

    aliases = installation.database_settings(services["database"], settings.SECRET_KEY)
    for alias, values in aliases.items():
        connections[alias].settings_dict.update(values)
        connections.settings[alias].update(values)
    settings.REDIS_URL = settings.CELERY_BROKER_URL = services["redis"]
    settings.STORAGES["default"]["OPTIONS"]["location"] = services["folder"] / "files"
    # pytest looks at whatever a test module imports, which would have settled the old folder.
    setting_changed.send(sender=None, setting="STORAGES", value=settings.STORAGES, enter=True)
    lent.watch()
    with django_db_blocker.unblock():
        prepare_database()
        call_command("migrate", database="owner", verbosity=0)
        yield
        for connection in connections.all():
            connection.close()
            if hasattr(connection, "close_pool"):
                connection.close_pool()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test that ran out of time may have left a connection in the middle of a query: whoever used
    it next would be told that another command is in progress."""
    try:
        return (yield)
    finally:
        for connection in connections.all(initialized_only=True):
            held = connection.connection
            if held is not None and held.info.transaction_status == TransactionStatus.ACTIVE:
                connection.close()


@pytest.fixture(autouse=True)
def database(request, django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        yield
        left = lent.take_back()
        assert not left, f"these threads ended without closing their connection: {left}"


@pytest.fixture
def tenant():
    from tenants.services import create_tenant

    return create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}")
