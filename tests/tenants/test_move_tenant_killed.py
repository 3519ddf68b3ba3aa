"""A mover that is killed, stopped, or tricked: the tenant stays whole, and the next try succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from ragadmin.errors import Conflict
from ragadmin.installation import PROJECT_DIR
from retrieval.models import Document, Feedback, Source
from retrieval.services.documents import delete_document
from tenants.context import TENANT_LOCK, tenant_context
from tenants.models import TenantMove
from tenants.moving.request import cancel_move, clean_up_tenant, move_tenant
from tenants.moving.session import MoveFailed
from tenants.removal import remove_tenant
from tenants.services import create_tenant
from tests.documents import DOCUMENTS, upload_and_index
from tests.tenants.moving import contents, leftovers


@contextmanager
def mover(services, tenant, to):
    """The command in a process of its own."""
    command = [sys.executable, "manage.py", "move_tenant", tenant.slug, "--to", to]
    env = os.environ | {
        "DATABASE_URL": services["database"],
        "REDIS_URL": services["redis"],
        "RAGADMIN_DATA_DIR": str(services["folder"]),
        "RAGADMIN_SECRET_KEY": settings.SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": "ragadmin.settings.dev",
    }
    with (services["folder"] / "mover.log").open("ab") as log:
        process = subprocess.Popen(command, env=env, cwd=PROJECT_DIR, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


class InThread:
    """The same in a thread, for tests that look at how it ends."""

    def __init__(self, tenant, to) -> None:
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(tenant, to))
        self._thread.start()

    def _run(self, tenant, to) -> None:
        try:
            move_tenant(tenant=tenant, to=to)
        except (Conflict, MoveFailed) as error:
            self.error = error
        finally:
            connections.close_all()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


@contextmanager
def held(services, statement):
    """Another connection that is in the mover's way."""
    with psycopg.connect(services["database"]) as connection:
        connection.execute(statement)
        yield connection
        connection.rollback()


def wait_for_stage(tenant, stage, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not TenantMove.objects.filter(tenant=tenant, stage=stage).exists():
        assert time.monotonic() < end, TenantMove.objects.filter(tenant=tenant).values()
        time.sleep(0.02)


def new_tenant(level):
    tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level)
    upload_and_index(tenant, DOCUMENTS)
    return tenant


def obstacle(tenant, to_schema, stage) -> str:
    """What keeps a mover in this stage: a lock that it has to wait for."""
    return {
        "capturing": f'LOCK "{tenant.schema_name}".retrieval_feedback IN ROW EXCLUSIVE MODE',
        "copying": f'LOCK "{to_schema}".retrieval_termfrequency IN EXCLUSIVE MODE',
        "catching_up": f'LOCK "{to_schema}".retrieval_feedback IN SHARE UPDATE EXCLUSIVE MODE',
        "switching": f"SELECT pg_advisory_xact_lock_shared({TENANT_LOCK}, {tenant.id})",
        "leftovers": f'LOCK "{tenant.schema_name}".retrieval_source IN ACCESS SHARE MODE',
    }[stage]


@pytest.fixture(scope="module", autouse=True)
def pools(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        for level in ("partition", "shared"):
            create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level)


@pytest.mark.parametrize(
    ("here", "there", "stage"),
    [
        ("schema", "shared", "capturing"),
        ("shared", "partition", "copying"),
        ("schema", "partition", "catching_up"),
        ("partition", "schema", "switching"),
        ("schema", "shared", "leftovers"),
        ("partition", "shared", "leftovers"),
    ],
)
def test_a_killed_mover_leaves_the_tenant_whole(services, here, there, stage):
    tenant = new_tenant(here)
    before = contents(tenant)
    with (
        held(services, obstacle(tenant, f"pool_{there}", stage)),
        mover(services, tenant, there) as process,
    ):
        wait_for_stage(tenant, stage)
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        tenant.refresh_from_db()
        assert tenant.isolation == (there if stage == "leftovers" else here)
        assert contents(tenant) == before
    if stage == "leftovers":
        assert clean_up_tenant(tenant.pk) == 1
    else:
        move_tenant(tenant=tenant, to=there)
        tenant.refresh_from_db()
    assert tenant.isolation == there
    assert contents(tenant) == before
    assert leftovers(tenant) == []


def test_a_row_changed_behind_the_movers_back_fails_the_comparison(services):
    tenant = new_tenant("schema")
    before = contents(tenant)
    with held(services, obstacle(tenant, "pool_shared", "catching_up")):
        moving = InThread(tenant, "shared")
        wait_for_stage(tenant, "catching_up")
        with psycopg.connect(services["database"]) as behind:
            behind.execute(
                "UPDATE pool_shared.retrieval_chunk SET text = text || '!' WHERE id ="
                " (SELECT min(id) FROM pool_shared.retrieval_chunk WHERE tenant_id = %s)"
                " AND tenant_id = %s",
                [tenant.id, tenant.id],
            )
    moving.join()
    assert isinstance(moving.error, MoveFailed)
    assert moving.error.code == "move_differs"
    assert "retrieval_chunk" in moving.error.message
    tenant.refresh_from_db()
    assert tenant.isolation == "schema"
    assert contents(tenant) == before
    assert leftovers(tenant) == []
    assert "not the same" in TenantMove.objects.get(tenant=tenant).error


def test_of_two_moves_at_once_one_is_told_so(services):
    tenant = new_tenant("schema")
    with held(services, obstacle(tenant, "", "switching")):
        moving = InThread(tenant, "shared")
        wait_for_stage(tenant, "switching")
        with pytest.raises(Conflict, match="being moved already"):
            move_tenant(tenant=tenant, to="partition")
    moving.join()
    assert moving.error is None
    tenant.refresh_from_db()
    assert tenant.isolation == "shared"


def test_a_move_can_be_cancelled_until_the_switch(services):
    tenant = new_tenant("shared")
    before = contents(tenant)
    with held(services, obstacle(tenant, "", "switching")):
        moving = InThread(tenant, "schema")
        wait_for_stage(tenant, "switching")
        assert cancel_move(tenant, "tester")
        moving.join()
    assert moving.error is not None
    assert moving.error.code == "move_cancelled"
    tenant.refresh_from_db()
    assert tenant.isolation == "shared"
    assert contents(tenant) == before
    assert leftovers(tenant) == []
    assert not cancel_move(tenant, "tester")


def test_a_tenant_is_not_deleted_while_it_moves_and_completely_afterwards(services):
    tenant = new_tenant("partition")
    with (
        held(services, obstacle(tenant, "", "switching")),
        mover(services, tenant, "shared") as process,
    ):
        wait_for_stage(tenant, "switching")
        with pytest.raises(Conflict, match="being moved already"):
            remove_tenant(tenant=tenant, actor=None)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert remove_tenant(tenant=tenant, actor=None).is_complete
    assert leftovers(tenant, is_gone=True) == []


def test_paths_that_are_exchanged_and_taken_over_during_the_copy_arrive(services):
    tenant = new_tenant("schema")
    with held(services, obstacle(tenant, "pool_shared", "copying")):
        moving = InThread(tenant, "shared")
        wait_for_stage(tenant, "copying")
        wait_until_copied(tenant, len(DOCUMENTS) + 1)
        exchange_paths(tenant)
        replace_document(tenant)
        before = contents(tenant)
    moving.join()
    assert moving.error is None
    tenant.refresh_from_db()
    assert tenant.isolation == "shared"
    assert contents(tenant) == before


def wait_until_copied(tenant, rows) -> None:
    end = time.monotonic() + 20
    while TenantMove.objects.get(tenant=tenant).rows_copied < rows:
        assert time.monotonic() < end
        time.sleep(0.02)


def exchange_paths(tenant) -> None:
    first, second = DOCUMENTS
    with tenant_context(tenant):
        for old, new in ((first, "aside"), (second, first), ("aside", second)):
            Document.objects.filter(path=old).update(path=new)


def replace_document(tenant) -> None:
    """Another document takes the path of one that is deleted, with all that belongs to it."""
    path = next(iter(DOCUMENTS))
    with tenant_context(tenant):
        gone = Document.objects.get(path=path)
    delete_document(tenant=tenant, document_id=gone.pk)
    upload_and_index(tenant, {path: ("public", "# Kettles\n\nA kettle boils.\n")})


def test_others_in_the_pool_hardly_wait_for_a_move_that_waits(services):
    tenant, other = new_tenant("shared"), new_tenant("shared")
    with held(services, obstacle(tenant, "", "capturing")):
        moving = InThread(tenant, "schema")
        wait_for_stage(tenant, "capturing")
        waited = []
        for number in range(20):
            started = time.monotonic()
            with tenant_context(other):
                Source.objects.create(name=f"Another {number}", kind="upload")
                Feedback.objects.count()
            waited.append(time.monotonic() - started)
    moving.join()
    assert moving.error is None
    assert max(waited) < 2
