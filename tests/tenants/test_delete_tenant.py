"""After a deletion nothing is left of a tenant, and nothing of others is touched."""

from __future__ import annotations

import io
import json
import threading
import uuid

import pytest
import redis
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from ragadmin.errors import Conflict, NotFound, TenantGone
from retrieval.indexing import index
from retrieval.models import Chunk, Document
from tenants import removal
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.keys import create_api_key
from tenants.models import (
    ApiKey,
    AuditEvent,
    DocumentJob,
    Membership,
    RowChange,
    Tenant,
    TenantMove,
)
from tenants.moving.session import MOVE_LOCK
from tenants.redis_keys import tenant_key
from tenants.removal import count_everything, remove_tenant
from tenants.services import add_member, create_tenant, create_user
from tenants.storage import local_path
from tests.documents import DOCUMENTS, upload_and_index
from tests.retrieval.documents import claim, upload


@pytest.fixture(params=list(LEVELS))
def level(request):
    return request.param


def new_tenant(level="schema"):
    return create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation=level)


def cache() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def fill(tenant):
    """A bit of everything that can belong to a tenant."""
    upload_and_index(tenant, DOCUMENTS)
    upload(tenant, path="waiting.md")
    user = create_user(email=f"p-{uuid.uuid4().hex[:10]}@example.com", password="plenty of it")
    add_member(tenant=tenant, user=user, role="owner")
    create_api_key(tenant=tenant, name="site", scopes=["query"])
    TenantMove.objects.create(
        tenant=tenant, from_isolation="schema", to_isolation="shared",
        from_schema="t_x", to_schema="pool_shared", status="failed", moved_by="test",
    )  # fmt: skip
    RowChange.objects.create(tenant_id=tenant.id, table_name="retrieval_document", row_key="x")
    default_storage.save(f"exports/{tenant.id}/a.zip", ContentFile(b"zip"))
    with cache() as client:
        client.mset({tenant_key(tenant.id, f"cache:{n}"): "x" for n in range(1500)})


def rows_anywhere(tenant) -> dict[str, int]:
    """In every table of every schema that has a tenant_id, read as a superuser."""
    found = {}
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class"
            " ON pg_class.oid = attrelid WHERE attname = 'tenant_id' AND relkind IN ('r', 'p')"
        )
        tables = [table for (table,) in cursor.fetchall()]
        # Hundreds at once: the tests before have left thousands.
        for start in range(0, len(tables), 200):
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{table}', count(*) FROM {table} WHERE tenant_id = {tenant.id}"
                    for table in tables[start : start + 200]
                )
            )
            found |= {table: count for table, count in cursor.fetchall() if count}
    assert tables
    return found


def test_a_deleted_tenant_leaves_nothing(level):
    tenant = new_tenant(level)
    fill(tenant)
    were = folders(tenant)
    assert all(folder.is_dir() for folder in were)
    report = remove_tenant(tenant=tenant, actor="tester")
    for kind in ("document rows", "chunk rows", "memberships", "api keys", "document jobs"):
        assert report.before[kind] > 0, kind
    assert report.before["files"] == 4
    assert report.before["redis keys"] == 1500
    assert set(report.after.values()) == {0}
    assert report.notes == []
    assert rows_anywhere(tenant) == {}
    assert not Tenant.objects.filter(pk=tenant.pk).exists()
    assert not any(folder.exists() for folder in were)
    with cache() as client:
        assert list(client.scan_iter(f"*:{tenant.pk}:*")) == []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE %s",
            [rf"retrieval_chunk_t{tenant.pk}%"],
        )
        assert cursor.fetchall() == []
        cursor.execute("SELECT to_regnamespace(%s)", [f"t_{tenant.slug.replace('-', '_')}"])
        assert cursor.fetchone() == (None,)


def folders(tenant):
    return [local_path(f"{kind}/{tenant.pk}") for kind in ("tenants", "exports")]


def test_neighbours_keep_everything(level):
    tenant, neighbour = new_tenant(level), new_tenant(level)
    fill(tenant)
    fill(neighbour)
    before = count_everything(neighbour)
    remove_tenant(tenant=tenant, actor="tester")
    assert count_everything(neighbour) == before


def test_the_audit_trail_keeps_the_slug_and_the_counts_only(level):
    tenant = new_tenant(level)
    fill(tenant)
    remove_tenant(tenant=tenant, actor="tester")
    event = AuditEvent.objects.get(action="tenant.deleted", target=tenant.slug)
    assert (event.actor, event.tenant) == ("tester", None)
    assert event.detail["document rows"] == 3
    assert all(isinstance(value, int) for value in event.detail.values())


def test_the_slug_is_free_again_and_the_new_tenant_is_empty(level):
    tenant = new_tenant(level)
    fill(tenant)
    remove_tenant(tenant=tenant, actor=None)
    again = create_tenant(slug=tenant.slug, isolation=level)
    assert again.pk != tenant.pk
    with tenant_context(again):
        assert Document.objects.count() == Chunk.objects.count() == 0


def test_a_tenant_is_deleted_once(level):
    tenant = new_tenant(level)
    remove_tenant(tenant=tenant, actor=None)
    with pytest.raises(NotFound, match="was deleted already"):
        remove_tenant(tenant=tenant, actor=None)


def test_two_deletions_at_once_do_not_hurt_each_other(level):
    tenant = new_tenant(level)
    upload_and_index(tenant, DOCUMENTS)
    outcomes = []

    def run():
        try:
            outcomes.append(
                remove_tenant(tenant=Tenant(**as_values(tenant)), actor=None).is_complete
            )
        except (NotFound, Conflict) as refused:
            outcomes.append(refused.status)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome, refused = sorted(outcomes)
    assert outcome is True, "one of them deletes it, with nothing left"
    assert refused in {404, 409}, "and the other is told so"
    assert not Tenant.objects.filter(pk=tenant.pk).exists()


def as_values(tenant):
    return {field.attname: getattr(tenant, field.attname) for field in tenant._meta.concrete_fields}


def test_a_schema_dropped_behind_our_back_is_no_obstacle():
    tenant = new_tenant("schema")
    fill(tenant)
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{tenant.schema_name}" CASCADE')
    report = remove_tenant(tenant=tenant, actor=None)
    assert report.before["document rows"] == 0
    assert report.before["files"] == 4
    assert report.is_complete


def test_a_partition_dropped_behind_our_back_is_no_obstacle():
    tenant = new_tenant("partition")
    fill(tenant)
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"DROP TABLE pool_partition.retrieval_chunk_t{tenant.pk}")
    assert remove_tenant(tenant=tenant, actor=None).is_complete


def test_what_a_broken_move_left_elsewhere_goes_too():
    tenant = new_tenant("schema")
    new_tenant("shared")
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT set_config('ragadmin.tenant_id', %s, true)", [str(tenant.pk)])
        cursor.execute(
            "INSERT INTO pool_shared.retrieval_source (id, name, kind)"
            " VALUES (gen_random_uuid(), 'left', 'upload')"
        )
    report = remove_tenant(tenant=tenant, actor=None)
    assert report.before["source rows"] == 1
    assert rows_anywhere(tenant) == {}


def test_redis_down_does_not_keep_a_tenant_alive(level):
    tenant = new_tenant(level)
    upload_and_index(tenant, DOCUMENTS)
    url, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    try:
        report = remove_tenant(tenant=tenant, actor=None)
    finally:
        settings.REDIS_URL = url
    assert report.notes == [removal.REDIS_AWAY]
    assert report.is_complete
    assert not Tenant.objects.filter(pk=tenant.pk).exists()


def test_a_worker_at_work_ends_quietly_and_leaves_no_rows_or_files(level, caplog):
    """The tenant goes between the stages of a document that is being indexed."""
    for stage in ("chunking", "storing"):
        tenant = new_tenant(level)
        upload(tenant)
        found = claim(tenant)
        index_until(found, stage, lambda tenant=tenant: remove_tenant(tenant=tenant, actor=None))
        assert rows_anywhere(tenant) == {}
        assert not any(folder.exists() for folder in folders(tenant))
        assert count_everything(tenant) == dict.fromkeys(count_everything(tenant), 0)
    assert not [record for record in caplog.records if record.exc_info]


def index_until(found, stage, act) -> None:
    """Indexes in a thread, which waits before `stage` while `act` runs here."""
    reached, go_on = threading.Event(), threading.Event()
    set_stage = index._set_stage

    def wait_at(batch, name):
        if name == stage and batch._claims == [found]:
            reached.set()
            go_on.wait(30)
        set_stage(batch, name)

    errors = []

    def run():
        try:
            index.index_document(found)
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connections.close_all()

    index._set_stage = wait_at
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert reached.wait(30)
        act()
    finally:
        go_on.set()
        thread.join()
        index._set_stage = set_stage
    assert errors == []


def test_a_claim_of_a_deleted_tenant_ends_quietly(level):
    tenant = new_tenant(level)
    upload(tenant)
    found = claim(tenant)
    remove_tenant(tenant=tenant, actor=None)
    index.index_document(found)
    assert not DocumentJob.objects.filter(tenant_id=tenant.pk).exists()


def test_an_upload_that_was_under_way_leaves_no_file(level):
    tenant = new_tenant(level)
    remove_tenant(tenant=tenant, actor=None)
    with pytest.raises(TenantGone):
        upload(tenant)
    assert count_everything(tenant)["files"] == 0


def test_who_reads_for_a_moment_is_waited_for():
    tenant = new_tenant()
    inside, outcomes = threading.Event(), []

    def read():
        with tenant_context(tenant):
            inside.set()
            threading.Event().wait(1)
            outcomes.append(Document.objects.count())
        connections.close_all()

    thread = threading.Thread(target=read)
    thread.start()
    inside.wait()
    assert remove_tenant(tenant=Tenant(**as_values(tenant)), actor=None).is_complete
    thread.join()
    assert outcomes == [0]


def test_who_reads_for_long_is_named_as_the_reason(monkeypatch):
    monkeypatch.setattr(removal, "ATTEMPTS", 1)
    tenant = new_tenant()
    with tenant_context(tenant), pytest.raises(Conflict, match="is in use and was not deleted"):
        remove_tenant(tenant=tenant, actor=None)
    assert Tenant.objects.filter(pk=tenant.pk).exists()
    assert not AuditEvent.objects.filter(action="tenant.deleted", target=tenant.slug).exists()


def test_a_tenant_that_is_being_moved_is_not_deleted():
    tenant = new_tenant()
    with tenant_context(new_tenant()), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [MOVE_LOCK, tenant.pk])
        with pytest.raises(Conflict, match="is being moved"):
            remove_tenant(tenant=tenant, actor=None)
    assert remove_tenant(tenant=tenant, actor=None).is_complete


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_the_command_prints_the_counts_before_and_after(level):
    tenant = new_tenant(level)
    fill(tenant)
    printed = run("delete_tenant", tenant.slug, "--yes")
    assert "1,500            0  redis keys" in printed
    assert f"The tenant {tenant.slug} is deleted." in printed


def test_the_command_writes_one_json_object(level):
    tenant = new_tenant(level)
    fill(tenant)
    report = json.loads(run("delete_tenant", tenant.slug, "--yes", "--json"))
    assert report["deleted"] is True
    assert report["before"]["document rows"] == 3
    assert not any(report["after"].values())


def test_without_yes_the_command_only_counts():
    tenant = new_tenant()
    output = io.StringIO()
    with pytest.raises(CommandError, match=f"add --yes to delete {tenant.slug}"):
        call_command("delete_tenant", tenant.slug, stdout=output)
    assert "0  document rows" in output.getvalue()
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_an_unknown_slug_is_refused():
    with pytest.raises(CommandError, match="There is no tenant 'nobody-here'"):
        run("delete_tenant", "nobody-here", "--yes")


def test_a_file_that_cannot_be_deleted_is_told_and_makes_the_command_fail():
    tenant = new_tenant()
    upload(tenant)
    stubborn = folders(tenant)[1] / "stubborn"
    stubborn.mkdir(parents=True)
    (stubborn / "inner").touch()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT set_config('ragadmin.tenant_id', %s, false)", [str(tenant.pk)])
        cursor.execute(
            f'UPDATE "{tenant.schema_name}".retrieval_document SET storage_key = %s',
            [f"exports/{tenant.pk}/stubborn"],
        )
    report = remove_tenant(tenant=tenant, actor=None)
    assert report.notes == [removal.FILES_LEFT.format(1)]
    assert stubborn.exists()


def test_people_and_other_memberships_stay(level):
    tenant, other = new_tenant(level), new_tenant(level)
    user = create_user(email=f"p-{uuid.uuid4().hex[:10]}@example.com", password="plenty of it")
    for each in (tenant, other):
        add_member(tenant=each, user=user, role="owner")
        create_api_key(tenant=each, name="site", scopes=["query"])
    remove_tenant(tenant=tenant, actor=None)
    assert [member.tenant for member in Membership.objects.filter(user=user)] == [other]
    assert ApiKey.objects.filter(tenant=other).count() == 1
