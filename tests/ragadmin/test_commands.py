from __future__ import annotations

import io
import json
import uuid

import pytest
from django.core.management import CommandError, call_command

from tenants.models import ApiKey, AuditEvent, Tenant, User
from tests.ragadmin.running import run_command


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def slug():
    return f"t-{uuid.uuid4().hex[:10]}"


def test_a_tenant_is_made_and_described(slug):
    made = json.loads(run("create_tenant", slug, "--name", "Acorn", "--json"))
    assert made["slug"] == slug
    assert made["name"] == "Acorn"
    assert made["access_levels"] == ["public", "internal"]
    assert Tenant.objects.get(slug=slug).schema_name == made["schema_name"]


def test_a_slug_that_is_taken_is_refused_in_one_line(tenant):
    with pytest.raises(CommandError, match=f"already a tenant '{tenant.slug}'"):
        run("create_tenant", tenant.slug)


def test_a_key_is_printed_once_and_stored_as_a_hash(tenant):
    key = run("create_api_key", tenant.slug).strip()
    row = ApiKey.objects.get(tenant=tenant)
    assert key.startswith("rag-")
    assert key not in (row.key_hash, row.prefix)
    assert row.scopes == ["query", "ingest", "admin"]


def test_a_key_gets_the_scopes_and_levels_that_were_asked_for(tenant):
    arguments = ("--scopes", "query", "--access-levels", "public", "--json")
    made = json.loads(run("create_api_key", tenant.slug, *arguments))
    assert made["scopes"] == ["query"]
    assert made["access_levels"] == ["public"]


def test_a_key_of_an_unknown_tenant_is_refused():
    with pytest.raises(CommandError, match="There is no tenant 'nobody-here'"):
        run("create_api_key", "nobody-here")


def test_an_unknown_scope_is_refused(tenant):
    with pytest.raises(CommandError, match="Scopes are one or more of"):
        run("create_api_key", tenant.slug, "--scopes", "everything")


def test_an_operator_gets_a_generated_password(slug):
    made = json.loads(run("create_operator", f"{slug}@example.org", "--json"))
    operator = User.objects.get(email=made["email"])
    assert operator.is_operator
    assert operator.check_password(made["password"])


def test_an_operator_of_old_gets_a_key_and_keeps_the_password(slug):
    email = f"{slug}@example.org"
    run("create_operator", email, "--password", "plenty-of-letters")
    made = json.loads(run("create_operator", email, "--api-key", "--json"))
    assert set(made) == {"email", "api_key"}
    assert ApiKey.objects.get(created_by__email=email).scopes == ["operator"]
    assert User.objects.get(email=email).check_password("plenty-of-letters")


def test_a_password_that_is_too_short_is_refused(slug):
    with pytest.raises(CommandError, match="at least 10 characters"):
        run("create_operator", f"{slug}@example.org", "--password", "short")


def test_making_an_operator_is_audited(slug):
    run("create_operator", f"{slug}@example.org")
    assert AuditEvent.objects.filter(action="operator.created", target=f"{slug}@example.org")


def test_schedules_can_be_set_up_again_and_again():
    from django_celery_beat.models import PeriodicTask

    from ragadmin.celery import app
    from ragadmin.schedules import SCHEDULES

    run("setup_schedules")
    run("setup_schedules")
    entries = PeriodicTask.objects.exclude(task__startswith="celery.")
    names = [schedule.name for schedule in SCHEDULES]
    assert sorted(entries.values_list("name", flat=True)) == sorted(names)
    app.loader.import_default_modules()
    assert {entry.task for entry in entries} <= set(app.tasks)


def test_a_command_without_a_database_says_so_in_one_line(tmp_path):
    done = run_command(tmp_path / "data", "create_tenant", "acorn")
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: The database cannot be reached: start ragadmin")
    assert len(done.stderr.strip().splitlines()) == 1
