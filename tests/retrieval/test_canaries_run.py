"""Whole runs: the command, what a red one sets off, and the page that shows them."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from ragadmin.errors import Conflict
from ragadmin.health import NotWell
from retrieval.canaries import run as canary_run
from retrieval.canaries.doors import DOORS
from retrieval.canaries.health import probe_isolation_result
from retrieval.canaries.tasks import check_isolation
from tenants.isolation.runs import KEPT_RUNS, begin_run, drop_old_runs
from tenants.models import AuditEvent, IsolationRun
from tests.tenants.conftest import make_cast

PAGE = reverse("operator-isolation")
ALL_OK = {"visitor": "canary-schema-1", "target": "canary-shared-1", "tried": 3, "detail": ""}


@pytest.fixture(autouse=True)
def no_runs(database):
    """Others' pages must not show a banner because of a run made here."""
    IsolationRun.objects.all().delete()
    yield
    IsolationRun.objects.all().delete()


@pytest.fixture(scope="module")
def people(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_cast()


def run_command():
    """Its exit status and what it prints."""
    out, status = io.StringIO(), 0
    try:
        call_command("check_isolation", "--json", stdout=out)
    except SystemExit as end:
        status = end.code
    return status, json.loads(out.getvalue())


def change_row_security(table, verb):
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} {verb} ROW LEVEL SECURITY")


def make_run(status="ok", *, key="schema-shared", age=timedelta(), **values):
    notes = [ALL_OK | {"status": status, "detail": "" if status == "ok" else "It came out."}]
    cells = [{"key": key, "status": status, "notes": notes}]
    row = {"section": "Search", "title": "Hybrid search", "about": "POST it.", "cells": cells}
    now = timezone.now() - age
    counts = {"probes": 3, "leaks": int(status == "leak"), "errors": int(status == "error")}
    run = IsolationRun.objects.create(results=[row], finished_at=now, **counts | values)
    IsolationRun.objects.filter(pk=run.pk).update(started_at=now)
    return run


# Some eight thousand requests: a busy machine takes its time for them.
@pytest.mark.timeout(420)
def test_a_whole_run_is_green_and_tries_every_pair_of_levels():
    status, printed = run_command()
    assert (status, printed["ok"], printed["leaks"], printed["errors"]) == (0, True, 0, 0), [
        note
        for row in printed["doors"]
        for cell in row["cells"]
        for note in cell["notes"]
        if note["status"] != "ok"
    ]
    assert printed["probes"] > 1000
    levels = {"schema", "partition", "shared"}
    pairs = {f"{one}-{other}" for one in levels for other in levels}
    keys = {cell["key"] for row in printed["doors"] for cell in row["cells"]}
    assert pairs | {"own", "all"} | {f"within-{level}" for level in levels} == keys
    assert probe_isolation_result().startswith(f"{printed['probes']} probes, no leak")


def test_a_planted_fault_turns_the_run_red_and_alarms(people, monkeypatch):
    # A run of the surveys and the doors of the database only: the test before tries them all.
    monkeypatch.setattr(canary_run, "DOORS", [door for door in DOORS if door.section == "Database"])
    monkeypatch.setattr(canary_run, "route_doors", list)
    table = "pool_shared.retrieval_document"
    change_row_security(table, "DISABLE")
    try:
        status, printed = run_command()
    finally:
        change_row_security(table, "ENABLE")
    assert (status, printed["ok"]) == (1, False)
    doors = {
        row["title"]
        for row in printed["doors"]
        if any(cell["status"] == "leak" for cell in row["cells"])
    }
    assert {"Row-level security on every table", "SQL on another tenant's tables"} <= doors
    assert AuditEvent.objects.filter(
        action="isolation.leak", target=f"run {printed['run']}"
    ).exists()
    with pytest.raises(NotWell, match="leaks"):
        probe_isolation_result()
    page = people.client("operator").get(reverse("operator")).content.decode()
    assert "Tenants are not kept apart" in page


def test_two_runs_at_once_are_refused_and_a_dead_one_stands_in_nobodys_way():
    dead = begin_run()
    with pytest.raises(Conflict, match="running already"):
        begin_run()
    IsolationRun.objects.filter(pk=dead.pk).update(started_at=timezone.now() - timedelta(hours=1))
    assert begin_run().pk > dead.pk


def test_old_runs_are_forgotten():
    for _ in range(KEPT_RUNS + 2):
        make_run()
    drop_old_runs()
    assert IsolationRun.objects.count() == KEPT_RUNS


def test_a_task_that_is_delivered_twice_checks_once():
    run = make_run()
    check_isolation(run.pk)
    assert IsolationRun.objects.count() == 1


def test_health_tells_a_check_that_is_overdue_and_one_that_proved_nothing():
    assert "not checked yet" in probe_isolation_result()
    make_run(age=timedelta(days=3))
    with pytest.raises(NotWell, match="due every day"):
        probe_isolation_result()
    make_run("error")
    with pytest.raises(NotWell, match="1 errors"):
        probe_isolation_result()


def test_the_page_says_what_to_do_before_the_first_run(people):
    page = people.client("operator").get(PAGE).content.decode()
    assert "Not checked yet" in page
    assert "Run now" in page


def test_the_page_shows_green_and_red_in_words_too(people):
    make_run()
    client = people.client("operator")
    assert "No leak." in client.get(PAGE).content.decode()
    make_run("leak")
    page = client.get(PAGE).content.decode()
    assert "1 leak." in page
    assert "From schema into shared: </span>Leak" in page


def test_a_cell_opens_with_who_tried_what(people):
    run = make_run("leak")
    client, address = people.client("operator"), f"{PAGE}?run={run.pk}&row=0&cell=schema-shared"
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "canary-shared-1" in part
    assert "It came out." in part
    assert "It came out." in client.get(address).content.decode()


@pytest.mark.parametrize(
    "query", ["?run=x", "?run=999999999", "?run=" + "9" * 40, "?row=7&cell=x", "?row=0&cell=%00"]
)
def test_runs_and_cells_that_do_not_exist_are_not_found(people, query):
    make_run()
    assert people.client("operator").get(PAGE + query).status_code == 404


def test_history_opens_an_older_run(people):
    old, _new = make_run("leak"), make_run()
    page = people.client("operator").get(f"{PAGE}?run={old.pk}").content.decode()
    assert f"This is run {old.pk}" in page
    assert "1 leak." in page


def test_run_now_begins_a_run_for_the_worker_and_the_page_follows_it(people):
    client = people.client("operator")
    assert client.post(PAGE).status_code == 302
    run = IsolationRun.objects.get()
    page = client.get(PAGE).content.decode()
    assert "Waiting for a worker" in page
    assert 'hx-trigger="every 2s"' in page
    IsolationRun.objects.filter(pk=run.pk).update(probes=7)
    poll = client.get(PAGE, headers={"HX-Request": "true"})
    assert "7 probes so far" in poll.content.decode()
    assert "running already" in client.post(PAGE, follow=True).content.decode()
    IsolationRun.objects.filter(pk=run.pk).update(finished_at=timezone.now())
    assert client.get(PAGE, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    with redis.Redis.from_url(django_settings.REDIS_URL) as broker:
        broker.delete("ragadmin")


def test_the_page_is_for_operators_only(people):
    make_run("leak")
    assert people.client("owner").get(PAGE).status_code == 404
    overview = reverse("tenant-overview", args=[people.tenant.slug])
    for name in ("owner", "operator"):
        page = people.client(name).get(overview).content.decode()
        assert "Tenants are not kept apart" not in page


def test_the_page_asks_no_more_with_more_runs(people, django_assert_max_num_queries):
    for _ in range(30):
        make_run()
    client = people.client("operator")
    with django_assert_max_num_queries(9):
        client.get(PAGE)
