"""Every tenant schema brought to a second migration, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, migrations, models
from django.db.models import F
from django.db.models.functions import Concat

from ragadmin.installation import PROJECT_DIR
from retrieval.models import Source
from tenants.compiled import migration_names
from tenants.context import tenant_context
from tenants.isolation.levels import isolation_of
from tenants.migrate import check_schemas, migrate_schemas, steps_after
from tenants.models import SchemaVersion, Tenant
from tenants.schema import owner
from tests.tenants.new_migration import NEXT, columns, compile_next, new_tenants, version_of

ADD_COLUMN = migrations.AddField("source", "colour", models.CharField(max_length=20, default="red"))
ADD_INDEX = migrations.AddIndex("source", models.Index(fields=["colour"], name="source_colour"))


@pytest.fixture
def schemas():
    """Three tenants with schemas of their own, gone afterwards: they are ahead of the others."""
    tenants = new_tenants(3)
    yield tenants
    for tenant in tenants:
        remove(tenant)


def remove(tenant):
    with owner().cursor() as cursor:
        isolation_of(tenant.isolation).remove(cursor, tenant)
    Tenant.objects.filter(pk=tenant.pk).delete()


def names(tenants):
    return [tenant.schema_name for tenant in tenants]


def add_source(tenant, name="One"):
    with tenant_context(tenant):
        Source.objects.create(name=name, kind="upload")


def source_names(tenant):
    with tenant_context(tenant):
        return sorted(Source.objects.values_list("name", flat=True))


def problems_of(tenant):
    return [found.kind for found in check_schemas() if found.schema == tenant.schema_name]


def run(*arguments):
    """The command's exit status and output."""
    output = io.StringIO()
    try:
        call_command("migrate_schemas", *arguments, stdout=output, stderr=output)
    except SystemExit as stop:
        return stop.code, output.getvalue()
    return 0, output.getvalue()


def test_a_column_and_an_index_reach_every_schema(schemas):
    add_source(schemas[0])
    outcome = migrate_schemas(compile_next(ADD_COLUMN, ADD_INDEX), only=names(schemas), canaries=1)
    assert (outcome.migrated, outcome.failures) == (sorted(names(schemas)), [])
    for tenant in schemas:
        assert version_of(tenant) == NEXT
        assert "colour" in columns(tenant, "retrieval_source")
    assert source_names(schemas[0]) == ["One"]


def test_the_second_run_has_nothing_to_do(schemas):
    compiled = compile_next(ADD_COLUMN)
    migrate_schemas(compiled, only=names(schemas))
    again = migrate_schemas(compiled, only=names(schemas))
    assert again.migrated == again.failures == []


def test_one_failure_leaves_that_schema_whole_and_the_others_done(schemas):
    bad = sorted(names(schemas))[1]
    with owner().cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{bad}".retrieval_source ADD COLUMN colour text')
    compiled = compile_next(
        migrations.AddField("document", "note", models.TextField(default="")), ADD_COLUMN
    )
    outcome = migrate_schemas(compiled, only=names(schemas), canaries=0)
    assert [failure.schema for failure in outcome.failures] == [bad]
    assert "already exists" in outcome.failures[0].reason
    assert not outcome.stopped_at_canary
    failed = next(tenant for tenant in schemas if tenant.schema_name == bad)
    assert "note" not in columns(failed, "retrieval_document")
    assert sorted(map(version_of, schemas)) == [migration_names()[-1], NEXT, NEXT]
    with owner().cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{bad}".retrieval_source DROP COLUMN colour')
    assert migrate_schemas(compiled, only=names(schemas)).migrated == [bad]


def test_a_canary_that_fails_leaves_the_rest_alone(schemas):
    for tenant in schemas:
        add_source(tenant)
    compiled = compile_next(migrations.RunSQL("SELECT 1 / (count(*) - 1) FROM retrieval_source"))
    told = []
    outcome = migrate_schemas(compiled, only=names(schemas), canaries=1, tell=told.append)
    assert outcome.stopped_at_canary
    assert (len(outcome.failures), outcome.left) == (1, 2)
    assert "division by zero" in outcome.failures[0].reason
    assert told == [f"1 of 3 schemas go first: {min(names(schemas))}"]
    assert set(map(version_of, schemas)) == {migration_names()[-1]}


def test_a_data_migration_runs_for_each_tenant_of_a_schema(schemas):
    add_source(schemas[0])

    def rename(apps, schema_editor):
        sources = apps.get_model("retrieval", "Source").objects
        sources.update(name=Concat(F("name"), models.Value(" more"), F("colour")))
        sources.create(name="Made", kind="upload")

    compiled = compile_next(ADD_COLUMN, migrations.RunPython(rename), ADD_INDEX)
    assert migrate_schemas(compiled, only=names(schemas)).failures == []
    assert source_names(schemas[0]) == ["Made", "One morered"]
    assert source_names(schemas[1]) == ["Made"]


@pytest.mark.parametrize("isolation", ["partition", "shared"])
def test_in_a_pool_a_data_migration_sees_one_tenants_rows_at_a_time(isolation):
    pooled = new_tenants(3, isolation)
    for tenant in pooled:
        add_source(tenant)
    seen = []

    def count_and_change(apps, schema_editor):
        sources = apps.get_model("retrieval", "Source").objects
        seen.append(sources.values("tenant_id").distinct().count())
        sources.filter(name__startswith="One").update(name=Concat(F("name"), models.Value("+")))

    compiled = compile_next(migrations.RunPython(count_and_change))
    pool = pooled[0].schema_name
    before = version_of(pooled[0])
    try:
        outcome = migrate_schemas(compiled, only=[pool])
        assert outcome.failures == []
        assert set(seen) <= {0, 1}
        assert [source_names(tenant) for tenant in pooled] == [["One+"]] * 3
    finally:
        SchemaVersion.objects.filter(schema_name=pool).update(version=before)
        for tenant in pooled:
            remove(tenant)


def test_a_data_migration_that_fails_names_its_tenant(schemas):
    def fail(apps, schema_editor):
        raise ValueError("no colour for it")

    outcome = migrate_schemas(compile_next(migrations.RunPython(fail)), only=names(schemas)[:1])
    assert outcome.failures[0].reason == f"tenant {schemas[0].slug}: ValueError: no colour for it"


def test_a_busy_schema_fails_soon_and_does_not_stall_the_others(schemas, services):
    busy = schemas[0].schema_name
    with psycopg.connect(services["database"]) as holder:
        holder.execute(f'SELECT 1 FROM "{busy}".retrieval_source')
        started = time.monotonic()
        outcome = migrate_schemas(compile_next(ADD_COLUMN), only=names(schemas), canaries=0)
        assert time.monotonic() - started < 10
    assert [failure.schema for failure in outcome.failures] == [busy]
    assert outcome.failures[0].reason.startswith("busy")
    assert len(outcome.migrated) == 2


def test_a_killed_run_is_taken_up_where_it_was(schemas, services, settings):
    environment = os.environ | {
        "DATABASE_URL": services["database"],
        "REDIS_URL": services["redis"],
        "RAGADMIN_SECRET_KEY": settings.SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": "ragadmin.settings.test",
    }
    command = [sys.executable, "-m", "tests.tenants.kill_migration", *names(schemas)]
    killed = subprocess.run(command, cwd=PROJECT_DIR, env=environment, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(map(version_of, schemas)) == [migration_names()[-1], NEXT, NEXT]
    assert sorted(map(source_names, schemas)) == [[], ["Half done"], ["Half done"]]

    def finish(apps, schema_editor):
        apps.get_model("retrieval", "Source").objects.create(name="Half done", kind="upload")

    assert (
        len(
            migrate_schemas(
                compile_next(migrations.RunPython(finish)), only=names(schemas)
            ).migrated
        )
        == 1
    )
    assert list(map(source_names, schemas)) == [["Half done"]] * 3


def test_two_runs_at_once_do_each_schema_once(schemas):
    def create(apps, schema_editor):
        apps.get_model("retrieval", "Source").objects.create(name="Once", kind="upload")

    compiled = compile_next(migrations.RunPython(create))
    outcomes = []

    def migrate():
        try:
            outcomes.append(migrate_schemas(compiled, only=names(schemas), canaries=0, jobs=2))
        finally:
            connection.close()

    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.failures for outcome in outcomes] == [[], []]
    assert sorted(outcomes[0].migrated + outcomes[1].migrated) == sorted(names(schemas))
    assert list(map(source_names, schemas)) == [["Once"]] * 3


def test_constraints_and_indexes_that_a_migration_drops_are_gone(schemas):
    plain, indexed = (models.CharField(max_length=200, db_index=flag) for flag in (False, True))
    compiled = compile_next(
        migrations.AlterField("source", "name", indexed),
        migrations.AlterField("source", "name", plain),
        migrations.AlterUniqueTogether("source", {("tenant_id", "kind")}),
        migrations.AlterUniqueTogether("source", set()),
        migrations.AlterField("document", "source", models.UUIDField()),
    )
    before = named_in(schemas[0])
    assert migrate_schemas(compiled, only=names(schemas)[:1]).failures == []
    after = named_in(schemas[0])
    assert after < before
    gone = before - after
    assert all(name.startswith("retrieval_document_source_id") for name in gone)
    assert any("_fk_" in name for name in gone)


def named_in(tenant):
    """Its constraints, tables and indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace"
            " UNION SELECT relname FROM pg_class WHERE relnamespace = %(schema)s::regnamespace",
            {"schema": tenant.schema_name},
        )
        return {name for (name,) in cursor.fetchall()}


def test_sql_that_cannot_run_is_told_before_any_schema_is_touched(schemas):
    with pytest.raises(DatabaseError, match="division by zero"):
        compile_next(migrations.RunSQL("SELECT 1 / 0"))


def test_sql_between_two_data_steps_is_sent_at_once():
    python = migrations.RunPython(lambda apps, schema_editor: None)
    sql = migrations.RunSQL("SELECT 1")
    compiled = compile_next(sql, ADD_COLUMN, python, ADD_INDEX, sql)
    kinds = [type(step).__name__ for step in steps_after(migration_names()[-1], compiled)]
    assert kinds == ["str", "DataStep", "str"]


def test_a_dropped_schema_is_missing_and_no_other_is(schemas):
    dropped, *others = schemas
    with owner().cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{dropped.schema_name}" CASCADE')
    assert problems_of(dropped) == ["missing"]
    assert [problems_of(other) for other in others] == [[], []]
    status, output = run("--check")
    assert status == 1
    assert f"{dropped.schema_name}: missing" in output
    status, output = run()
    assert status == 1
    assert f"FAILED {dropped.schema_name}: the schema is not in the database" in output


def test_a_schema_of_a_newer_release_is_refused(schemas):
    SchemaVersion.objects.filter(schema_name=schemas[0].schema_name).update(version="0999_future")
    status, output = run("--json", "--check")
    assert status == 1
    problems = json.loads(output)["problems"]
    wanted = {"schema": schemas[0].schema_name, "version": "0999_future", "kind": "newer"}
    assert wanted in problems
    assert "0999_future, which this release does not know" in run()[1]


def test_a_tenant_whose_schema_is_not_written_down_is_found(schemas):
    SchemaVersion.objects.filter(schema_name=schemas[0].schema_name).delete()
    assert problems_of(schemas[0]) == ["unrecorded"]


def test_the_check_is_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        check_schemas()


def test_nothing_to_do_is_said_and_exits_with_0():
    status, output = run()
    assert status == 0
    assert "nothing to do" in output
    assert run("--check")[0] == 0


@pytest.mark.parametrize("arguments", [("--jobs", "0"), ("--jobs", "x"), ("--canary", "-1")])
def test_a_number_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(CommandError, match="a whole number, at least"):
        run(*[f"{arguments[0]}={arguments[1]}"])
