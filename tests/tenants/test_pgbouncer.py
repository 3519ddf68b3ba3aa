"""Tenants interleaved over two server connections by PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import defaultdict

import psycopg
import pytest
from django.db import DataError, connection, connections, migrations, models
from psycopg.conninfo import make_conninfo

from ragadmin.errors import Unavailable
from retrieval.models import Conversation, Document
from retrieval.providers.embedders import get_embedder
from retrieval.query.request import SearchRequest
from retrieval.query.search import search
from tenants.access import tenant_config
from tenants.config import Caller
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.migrate import migrate_schemas
from tenants.models import Tenant
from tenants.moving.request import move_tenant
from tenants.moving.session import is_moving
from tenants.pool import close_pool, public_connection, tenant_transaction
from tenants.removal import remove_tenant
from tenants.services import create_tenant
from tests.documents import upload_and_index
from tests.pgbouncer import HOST, PgBouncer
from tests.tenants.new_migration import columns, compile_next

SEEN = """
SELECT current_setting('ragadmin.tenant_id', true) AS id, current_setting('search_path') AS path,
    pg_backend_pid() AS backend
"""
QUESTION = "How is a password reset?"
ROUNDS = 30
SERVER_CONNECTIONS = 2


@pytest.fixture(scope="module")
def callers(django_db_setup, django_db_blocker):
    """Of two tenants of each level, each with a document of its own."""
    with django_db_blocker.unblock():
        tenants = [
            create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level)
            for level in [*LEVELS, *LEVELS]
        ]
        for tenant in tenants:
            text = f"# Passwords\n\nA password is reset on the sign-in page of {tenant.slug}.\n"
            upload_and_index(tenant, {f"{tenant.slug}.md": ("public", text)})
        return [
            Caller(tenant_config(tenant), ("public",), frozenset({"query"}), "tester")
            for tenant in tenants
        ]


@pytest.fixture
def bouncer(services):
    return PgBouncer(
        services["folder"] / f"pgbouncer-{uuid.uuid4().hex[:8]}",
        services["database"],
        SERVER_CONNECTIONS,
    )


@pytest.fixture
def behind_pgbouncer(bouncer):
    with bouncer.in_front_of_django("default"):
        yield bouncer


@pytest.fixture
async def own_pool():
    yield
    await close_pool()


class Watch:
    """Fails at the first sight of somebody else's; notes which backend served whom."""

    def __init__(self):
        self.served = defaultdict(set)

    def inside(self, tenant, seen, paths):
        assert seen["id"] == str(tenant.id)
        assert seen["path"].split(",")[0].strip('"') == tenant.schema_name
        assert paths == [f"{tenant.slug}.md"]
        self.served[seen["backend"]].add(tenant.slug)

    def outside(self, seen):
        assert not seen["id"]
        assert seen["path"] == '"$user", public'


class AsyncClient:
    """Turns of one tenant after another on the async pool: reads, writes, errors, cancellations."""

    def __init__(self, watch, callers, vector, seed):
        self.watch, self.callers, self.vector = watch, callers, vector
        self.random = random.Random(seed)
        self.turns = [self.read, self.search, self.write, self.fail, self.cancel]

    async def run(self):
        for _ in range(ROUNDS):
            caller = self.random.choice(self.callers)
            await self.random.choice(self.turns)(caller)
            async with public_connection() as session:
                self.watch.outside(await (await session.execute(SEEN)).fetchone())

    async def read(self, caller):
        async with tenant_transaction(caller.tenant) as session:
            seen = await (await session.execute(SEEN)).fetchone()
            rows = await (await session.execute("SELECT path FROM retrieval_document")).fetchall()
        self.watch.inside(caller.tenant, seen, [row["path"] for row in rows])

    async def search(self, caller):
        async with tenant_transaction(caller.tenant) as session:
            hits = await search(session, caller, SearchRequest(QUESTION), self.vector)
        assert [hit.path for hit in hits] == [f"{caller.tenant.slug}.md"]

    async def write(self, caller):
        statement = "INSERT INTO retrieval_conversation (id) VALUES (%s) RETURNING tenant_id"
        async with tenant_transaction(caller.tenant) as session:
            row = await (await session.execute(statement, [uuid.uuid4()])).fetchone()
        assert row["tenant_id"] == caller.tenant.id

    async def fail(self, caller):
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with tenant_transaction(caller.tenant) as session:
                await session.execute("SELECT 1 / 0")

    async def cancel(self, caller):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02), tenant_transaction(caller.tenant) as session:
                await session.execute("SELECT pg_sleep(10)")


class OrmClient:
    """The same through Django, in a thread."""

    def __init__(self, watch, callers, seed):
        self.watch, self.callers = watch, callers
        self.random = random.Random(seed)
        self.turns = [self.read, self.iterate, self.write, self.fail]

    def run(self):
        try:
            for _ in range(ROUNDS):
                self.random.choice(self.turns)(self.random.choice(self.callers).tenant)
                self.watch.outside(see_with_django())
                if self.random.random() < 0.3:
                    connection.close()  # as at the end of a request: back to Django's pool
        finally:
            connection.close()

    def read(self, tenant):
        with tenant_context(tenant):
            paths = list(Document.objects.values_list("path", flat=True))
            self.watch.inside(tenant, see_with_django(), paths)

    def iterate(self, tenant):
        for known in Tenant.objects.filter(pk=tenant.id).iterator():
            with tenant_context(known):
                paths = [document.path for document in Document.objects.iterator()]
                self.watch.inside(tenant, see_with_django(), paths)

    def write(self, tenant):
        with tenant_context(tenant):
            made = Conversation.objects.create()
            made.refresh_from_db()
            assert made.tenant_id == tenant.id

    def fail(self, tenant):
        with pytest.raises(DataError), tenant_context(tenant), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")


def see_with_django():
    with connection.cursor() as cursor:
        cursor.execute(SEEN)
        return dict(zip(("id", "path", "backend"), cursor.fetchone(), strict=True))


async def test_tenants_interleaved_over_two_connections_see_their_own(
    behind_pgbouncer, services, callers, own_pool
):
    watch = Watch()
    (vector,) = await get_embedder("local:all-MiniLM-L6-v2").embed_questions([QUESTION])
    async with asyncio.TaskGroup() as group:
        for seed in range(8):
            group.create_task(AsyncClient(watch, callers, vector, seed).run())
        for seed in range(6):
            group.create_task(asyncio.to_thread(OrmClient(watch, callers, seed).run))
    # Few server connections, and each has served tenants of every level. One that a cancelled
    # statement ended is replaced, so there may be more than two over time.
    everybody = {caller.tenant.slug for caller in callers}
    busiest = sorted(watch.served.values(), key=len)[-SERVER_CONNECTIONS:]
    assert busiest == [everybody] * SERVER_CONNECTIONS
    assert len(watch.served) < len(callers)


async def test_a_client_that_vanishes_within_a_transaction_leaves_nothing(
    behind_pgbouncer, callers, own_pool
):
    watch = Watch()
    for caller in callers:
        with pytest.raises(Unavailable):
            async with tenant_transaction(caller.tenant) as session:
                await session.close()
        for _ in range(SERVER_CONNECTIONS + 1):
            async with public_connection() as session:
                watch.outside(await (await session.execute(SEEN)).fetchone())


async def test_a_statement_asked_again_and_again_is_kept_on_no_connection(
    behind_pgbouncer, services, callers, own_pool
):
    """psycopg would prepare it at the sixth time, on whichever server connection it has by then."""

    async def ask(caller):
        for _ in range(12):
            async with tenant_transaction(caller.tenant) as session:
                await session.execute("SELECT path FROM retrieval_document WHERE path = %s", ["x"])
                kept = await session.execute("SELECT count(*) AS kept FROM pg_prepared_statements")
                assert (await kept.fetchone())["kept"] == 0

    await asyncio.gather(*(ask(caller) for caller in callers))


def test_a_search_path_set_for_a_session_would_leak_to_the_next_client(bouncer, callers):
    """What tenant_context must never do: here it shows that the test above would notice."""
    runtime = connections["default"].settings_dict
    with bouncer.running():
        through = make_conninfo(
            host=HOST, port=bouncer.port, dbname=runtime["NAME"], user=runtime["USER"],
            password=runtime["PASSWORD"],
        )  # fmt: skip
        schema = callers[0].tenant.schema_name
        with (
            psycopg.connect(through, autocommit=True) as careless,
            psycopg.connect(through, autocommit=True) as innocent,
        ):
            careless.execute(f'SET search_path = "{schema}"')
            assert innocent.execute("SHOW search_path").fetchone() == (schema,)
            # Local to a transaction, it is gone with it.
            with careless.transaction():
                careless.execute("SET LOCAL search_path = 'extensions'")
            assert innocent.execute("SHOW search_path").fetchone() == (schema,)


def test_owner_commands_work_with_session_mode_for_the_owner(bouncer):
    """One DATABASE_URL leads both roles through PgBouncer: the owner's mode is set by its name."""
    bouncer.size = 6
    with bouncer.in_front_of_django("default", "owner"):
        tenants = [
            create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level) for level in LEVELS
        ]
        for tenant in tenants:
            upload_and_index(tenant, {"page.md": ("public", "# Page\n\nA page to be moved.\n")})
        column = migrations.AddField(
            "source", "note", models.CharField(max_length=9, db_default="")
        )
        schema = tenants[0].schema_name
        try:
            assert migrate_schemas(compile_next(column), only=[schema]).migrated == [schema]
            assert "note" in columns(tenants[0], "retrieval_source")
        finally:  # It is ahead of what this release knows, so nobody would be ready any more.
            remove_tenant(tenant=tenants[0], actor=None)
        moved = tenants[1]
        move_tenant(tenant=moved, to="shared")
        moved.refresh_from_db()
        assert moved.isolation == "shared"
        with tenant_context(moved):
            assert Document.objects.get().path == "page.md"
        # In transaction mode the mover's lock would stay behind on a server connection; here it
        # ends when PgBouncer has cleared the session that was given back.
        end = time.monotonic() + 5
        while is_locked(moved):
            assert time.monotonic() < end
            time.sleep(0.02)


def is_locked(tenant):
    with connections["owner"].cursor() as cursor:
        return is_moving(cursor, tenant.id)
