"""`up` on servers of one's own: a database owner that is no superuser is enough."""

from __future__ import annotations

import signal
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.ragadmin.running import Up, run_command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def own_servers(services):
    """A database made as a hosting company would: the extension is there, the owner is ordinary."""
    name = f"own_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(services["database"], autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'test'")
        connection.execute(f"CREATE DATABASE {name} OWNER {name}")
    place = services["database"].rsplit("@", 1)[1].rsplit("/", 1)[0]
    with psycopg.connect(
        f"{services['database'].rsplit('/', 1)[0]}/{name}", autocommit=True
    ) as own:
        own.execute(f"CREATE SCHEMA extensions AUTHORIZATION {name}")
        own.execute("CREATE EXTENSION vector SCHEMA extensions")
    return {
        "DATABASE_URL": f"postgresql://{name}:test@{place}/{name}",
        "REDIS_URL": services["redis"].removesuffix("/0") + "/7",
    }


@pytest.fixture(scope="module")
def running(own_servers, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("own")
    up = Up(folder / "data", **own_servers)
    try:
        up.wait_until_ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)


MAKE_TENANTS = """
from tenants.isolation.levels import LEVELS
from tenants.services import create_tenant
print([create_tenant(slug=f"own-{level}", isolation=level).isolation for level in LEVELS])
"""


def test_tenants_of_each_level_are_made_by_an_ordinary_owner(running, own_servers):
    done = run_command(running.data, "shell", "-v", "0", "-c", MAKE_TENANTS, **own_servers)
    assert done.stdout.splitlines()[-1:] == ["['schema', 'partition', 'shared']"], done.stderr


def test_it_is_ready_and_starts_no_servers_of_its_own(running):
    assert running.status("/readyz") == 200
    assert not (running.data / "postgres").exists()
