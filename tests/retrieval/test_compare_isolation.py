"""The comparison of the levels, with few tenants and documents; and that it leaves nothing behind."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from io import StringIO
from itertools import islice

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from ragadmin.errors import Conflict, InvalidRequest
from retrieval.comparison.advice import recommend
from retrieval.comparison.corpus import _real_texts, _repeated, prepare_corpus
from retrieval.comparison.figures import FIGURES, panels
from retrieval.comparison.measure import _add_reference, compare
from retrieval.comparison.plan import Plan, make_plan, parse_counts
from retrieval.comparison.runs import (
    Cancelled,
    begin_comparison,
    cancel_comparison,
    finish_comparison,
    list_comparisons,
    merge,
    state_of,
)
from retrieval.comparison.storage import read_catalog
from retrieval.comparison.tasks import remove_comparison_tenants
from retrieval.comparison.temporary import add_tenant, drop_tenant, fill_tenant, remove_all
from tenants.isolation.levels import LEVELS
from tenants.models import AuditEvent, IsolationComparison, SchemaVersion, Tenant
from tenants.services import create_tenant
from tests.stack import Stack

SMALL = Plan(documents=1, tenants=(2,), questions=2, samples=1)


@pytest.fixture(autouse=True)
def no_other_comparison():
    IsolationComparison.objects.all().delete()


@pytest.fixture(scope="module")
def compared(django_db_setup, django_db_blocker):
    """One small comparison, by the command."""
    with django_db_blocker.unblock():
        IsolationComparison.objects.all().delete()
        out = StringIO()
        call_command(
            "compare_isolation", "--json", documents=2, tenants="1,3", questions=5, samples=1,
            stdout=out, stderr=StringIO(),
        )  # fmt: skip
        return json.loads(out.getvalue())


def leftovers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_cmp\\_%'")
        schemas = cursor.fetchone()[0]
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'retrieval_chunk_t%' AND relkind = 'r'"
            " AND substring(relname from 18)::bigint NOT IN (SELECT id FROM tenants_tenant)"
        )
        partitions = cursor.fetchone()[0]
    return {
        "tenants": Tenant.objects.filter(slug__startswith=Tenant.COMPARISON_PREFIX).count(),
        "versions": SchemaVersion.objects.filter(schema_name__startswith="t_cmp_").count(),
        "schemas": schemas,
        "partitions": partitions,
        "events": AuditEvent.objects.filter(target__startswith=Tenant.COMPARISON_PREFIX).count(),
    }


def row(level, **values):
    return {
        "level": level, "tenants": 1000, "search_p50_ms": 8.0, "search_p99_ms": 12.0,
        "first_search_ms": 20.0, "search_ratio": 1.0, "recall_at_10": 1.0, "storage_bytes": 4_000_000,
        "small_storage_bytes": 500_000, "catalog_bytes": 150_000, "catalog_rows": 500,
        "create_ms": 60.0, "delete_ms": 60.0, "backend_bytes": 100_000,
    } | values  # fmt: skip


def results(**schema):
    light = {"catalog_bytes": 100, "small_storage_bytes": 20_000, "backend_bytes": 0}
    partition = row("partition", **light | {"catalog_bytes": 20_000, "create_ms": 9.0})
    shared = row("shared", **light | {"create_ms": 4.0})
    return {"chunks": 1000, "rows": [row("schema", **schema), partition, shared]}


def test_each_level_is_measured_at_each_number_of_tenants(compared):
    places = [(row["level"], row["tenants"]) for row in compared["rows"]]
    assert places == [(level, count) for level in LEVELS for count in (1, 3)]


def test_every_figure_is_there_and_makes_sense(compared):
    for measured in compared["rows"]:
        alone = measured["tenants"] == 1
        for figure in FIGURES:
            value = measured[figure.key]
            if value is None:
                assert alone or figure.key == "backend_bytes", figure.key
            else:
                assert math.isfinite(value), figure.key
        assert measured["recall_at_10"] == 1.0
        assert 0 < measured["search_p50_ms"] <= measured["search_p99_ms"]
        assert measured["storage_bytes"] > 10_000
        assert measured["create_ms"] > 0
        assert measured["delete_ms"] > 0


def test_a_schema_fills_the_catalog_more_than_a_partition_and_that_more_than_rows(compared):
    rows = {row["level"]: row["catalog_rows"] for row in compared["rows"] if row["tenants"] == 3}
    assert rows["schema"] > 5 * rows["partition"] > 50
    assert rows["shared"] < 1


def test_nothing_is_left_but_one_event_and_the_figures(compared):
    assert set(leftovers().values()) == {0}
    assert AuditEvent.objects.filter(action="isolation.compared").exists()


def test_the_command_gives_the_lesson_and_a_recommendation(compared):
    assert [each["level"] for each in compared["lesson"]] == list(LEVELS)
    assert compared["recommendation"]["level"] in LEVELS
    assert compared["state"] == "done"
    assert compared["left_tenants"] == 0


def break_at(words):
    """Listens to a comparison, and breaks it once."""
    broken = []

    def listen(stage):
        if words in stage and not broken:
            broken.append(stage)
            raise OSError("no more")

    return listen


@pytest.mark.parametrize("stage", ["partition: 2 of 2", "schema: removing", "shared: timing"])
def test_what_fails_midway_leaves_no_tenant(stage):
    run = begin_comparison(SMALL)
    with pytest.raises(OSError, match="no more"):
        compare(run, break_at(stage))
    assert set(leftovers().values()) == {0}
    run.refresh_from_db()
    assert run.results["state"] == "failed"
    assert "log" in run.results["error"]


def test_ctrl_c_leaves_no_tenant():
    run = begin_comparison(SMALL)

    def listen(stage):
        if "partition: 1 of" in stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(run, listen)
    assert set(leftovers().values()) == {0}
    run.refresh_from_db()
    assert run.results["state"] == "cancelled"
    assert {row["level"] for row in run.results["rows"]} == {"schema"}


def test_a_cancelled_comparison_stops_and_removes_what_it_made():
    run = begin_comparison(SMALL)

    def listen(stage):
        if stage.startswith("schema"):
            cancel_comparison(run)

    with pytest.raises(Cancelled):
        compare(run, listen)
    assert set(leftovers().values()) == {0}
    run.refresh_from_db()
    assert run.results["state"] == "cancelled"


def test_tenants_of_a_killed_comparison_are_removed_by_the_next():
    corpus = prepare_corpus(1, print)
    for level in LEVELS:
        tenant, _ = add_tenant(level)
        fill_tenant(tenant, corpus.small)
    assert leftovers()["tenants"] == 3
    assert remove_all() == 0
    assert set(leftovers().values()) == {0}


def test_the_clock_removes_leftovers_only_while_no_comparison_runs():
    add_tenant("shared")
    run = begin_comparison(SMALL)
    remove_comparison_tenants()
    assert leftovers()["tenants"] == 1
    finish_comparison(run, "failed")
    remove_comparison_tenants()
    assert leftovers()["tenants"] == 0


def catalog_of_one(level):
    before = read_catalog()
    tenant, _ = add_tenant(level)
    after = read_catalog()
    remove_all()
    return after.bytes - before.bytes


def test_a_catalog_is_not_charged_for_what_dropped_tenants_left():
    drop_tenant(add_tenant("partition")[0])
    first = catalog_of_one("partition")
    for _ in range(15):
        drop_tenant(add_tenant("schema")[0])
    assert catalog_of_one("partition") == pytest.approx(first, rel=0.05)


def test_the_reference_is_known_to_the_planner_as_the_measured_tenant_is():
    tenant = _add_reference(prepare_corpus(1, print))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = %s::regclass",
            [f'"{tenant.schema_name}".retrieval_chunk_default'],
        )
        assert cursor.fetchone()[0] > 0
    remove_all()


def test_a_customer_cannot_take_a_slug_that_would_be_removed():
    with pytest.raises(InvalidRequest, match="own checks"):
        create_tenant(slug="cmp-legal")


def test_one_comparison_at_a_time_until_it_has_been_silent_for_long():
    run = begin_comparison(SMALL)
    with pytest.raises(Conflict):
        begin_comparison(SMALL)
    merge(run, progress={"done": 1, "total": 2, "stage": "", "at": time.time() - 1_000})
    run.refresh_from_db()
    assert state_of(run) == "interrupted"
    assert begin_comparison(SMALL).pk != run.pk


def test_more_documents_than_there_are_come_again_with_vectors_of_their_own():
    real = list(_real_texts())
    corpus = prepare_corpus(2, print)
    again = list(islice(_repeated(corpus.documents), 5))
    assert len(real) > 50
    assert [document.path for document in again[2:4]] == [
        f"copy-2/{document.path}" for document in corpus.documents
    ]
    near = (again[0].vectors * again[2].vectors).sum(axis=1)
    assert ((near > 0.9) & (near < 0.999)).all()
    assert np.allclose(np.linalg.norm(again[2].vectors, axis=1), 1)


@pytest.mark.parametrize("text", ["", "one", "1,,2", "0", "-1", "1,99999999"])
def test_numbers_of_tenants_that_make_no_sense_are_refused(text):
    with pytest.raises(InvalidRequest):
        make_plan(1, parse_counts(text))


@pytest.mark.parametrize("documents", [0, -1, 1_000_000])
def test_numbers_of_documents_that_make_no_sense_are_refused(documents):
    with pytest.raises(InvalidRequest):
        make_plan(documents, [1])


def test_the_command_says_in_one_line_what_was_wrong():
    with pytest.raises(CommandError, match="commas between"):
        call_command("compare_isolation", tenants="a few")


def test_the_command_prints_a_table_and_the_lesson():
    out = StringIO()
    call_command(
        "compare_isolation", documents=1, tenants="1", questions=2, samples=1,
        for_tenants=20_000, for_chunks=500, stdout=out, stderr=StringIO(),
    )  # fmt: skip
    text = out.getvalue()
    for words in ("Recall@10", "1.000", "best for", "Strong", "For 20,000 tenants of 500 chunks"):
        assert words in text, words


def test_a_fleet_that_schemas_can_bear_gets_schemas():
    level, reason = recommend(1000, 1000, results())
    assert level == "schema"
    assert "8.0 ms" in reason


def test_a_catalog_that_grows_too_large_leads_to_partitions():
    level, reason = recommend(50_000, 1000, results())
    assert level == "partition"
    assert "Not schema: its catalog would take 7.0 GB" in reason


def test_a_fleet_too_large_for_partitions_too_shares():
    assert recommend(1_000_000, 10, results())[0] == "shared"


def test_a_ratio_between_times_that_are_short_anyway_decides_nothing():
    assert recommend(1000, 1000, results(search_p50_ms=4.0, search_ratio=3.0))[0] == "schema"


def test_schemas_that_are_searched_slowly_lead_to_partitions():
    level, reason = recommend(1000, 1000, results(search_p50_ms=40.0, search_ratio=5.0))
    assert level == "partition"
    assert "5.0 times as long" in reason


@pytest.mark.parametrize("slow", [{"create_ms": 5_000.0}, {"first_search_ms": 900.0}])
def test_schemas_that_are_slow_to_begin_lead_to_partitions(slow):
    assert recommend(1000, 1000, results(**slow))[0] == "partition"


def test_large_tenants_are_worth_tables_of_their_own():
    heavy = {"small_storage_bytes": 20_000_000, "catalog_bytes": 1_000}
    assert recommend(5_000, 10, results(**heavy))[0] == "partition"
    assert recommend(5_000, 100_000, results(**heavy))[0] == "schema"


def test_many_tenants_say_that_connections_are_renewed():
    assert "renewed after some 671 tenants" in recommend(5_000, 1000, results())[1]


def test_without_figures_the_default_is_recommended():
    assert recommend(10, 10, {})[0] == "schema"


def test_figures_that_were_not_measured_leave_a_gap():
    alone = {"rows": [row("schema", tenants=1, first_search_ms=None, backend_bytes=None)]}
    shown = {panel.figure.key: panel for panel in panels(alone)}
    assert "backend_bytes" not in shown
    assert shown["create_ms"].rows[0][1][0].text == "60 ms"
    assert recommend(1, 1, {**alone, "chunks": 10})[0] == "schema"


def test_a_terminated_command_removes_what_it_made_before_it_ends(services):
    stack = Stack(services)
    stack._prepare()
    argv = [sys.executable, "manage.py", "compare_isolation", "--documents=1", "--tenants=500"]
    process = subprocess.Popen(
        argv, cwd=settings.PROJECT_DIR, env={**os.environ, **stack.env}, text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while "of 500 tenants" not in process.stderr.readline():
            assert process.poll() is None
        assert leftovers()["tenants"] > 0
        process.terminate()
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert set(leftovers().values()) == {0}
    assert list_comparisons().first().results["state"] == "cancelled"
