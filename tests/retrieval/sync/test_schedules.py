"""One dispatcher for all sources: what is due is queued once, whatever was missed."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from ragadmin.errors import InvalidRequest
from ragadmin.schedules import setup_schedules
from retrieval.indexing.due import MOST_JITTER_SECONDS, next_run_at, start_due
from retrieval.models import SyncRun
from retrieval.services.schedules import find_beat_schedule, schedule_json, schedules_of
from retrieval.services.sources import (
    delete_source,
    pause_source,
    resume_source,
    update_source,
)
from retrieval.services.sync_runs import start_sync
from tenants.context import tenant_context
from tenants.models import SyncJob, SyncSchedule, Tenant
from tenants.services import create_tenant
from tests.retrieval.sync.folders import counts, finish, folder_source, sync, sync_root, write


@pytest.fixture
def folder(tmp_path):
    with sync_root(tmp_path):
        write(tmp_path / "docs", {"a.md": "Alpha.", "b.md": "Beta."})
        yield tmp_path / "docs"


@pytest.fixture
def source(tenant, folder):
    return folder_source(tenant, folder)


def schedule_of(tenant, source):
    return SyncSchedule.objects.get(tenant=tenant, source_id=source.pk)


def make_due(tenant, source, *, ago=timedelta(hours=7)):
    SyncSchedule.objects.filter(tenant=tenant, source_id=source.pk).update(
        next_run_at=timezone.now() - ago
    )


def runs(tenant):
    with tenant_context(tenant):
        return list(SyncRun.objects.order_by("created_at"))


def test_a_new_source_is_synced_every_quarter_of_an_hour(tenant, source):
    schedule = schedule_of(tenant, source)
    assert (schedule.interval.every, schedule.interval.period) == (15, "minutes")
    wait = (schedule.next_run_at - timezone.now()).total_seconds()
    assert 14 * 60 < wait < 16 * 60 + MOST_JITTER_SECONDS
    with tenant_context(tenant):
        shown = schedule_json(schedules_of([source.pk])[source.pk])
    assert (shown["every_minutes"], shown["paused"]) == (15, False)


def test_sources_of_one_rhythm_share_a_row_of_beats_and_have_none_of_its_tasks(tenant, folder):
    setup_schedules()
    before = PeriodicTask.objects.count()
    sources = [folder_source(tenant, folder, name=f"Source {n}") for n in range(3)]
    schedules = [schedule_of(tenant, each) for each in sources]
    assert len({each.interval_id for each in schedules}) == 1
    assert len({each.next_run_at for each in schedules}) == 3
    assert PeriodicTask.objects.count() == before
    assert PeriodicTask.objects.filter(task="retrieval.tasks.dispatch_syncs").count() == 1


def test_what_is_due_is_queued_once_and_its_next_time_is_after_now(tenant, source):
    make_due(tenant, source)
    start_due()
    start_due()
    (run,) = runs(tenant)
    assert (run.trigger, run.status, run.started_by) == ("schedule", "queued", "schedule")
    assert schedule_of(tenant, source).next_run_at > timezone.now() + timedelta(minutes=14)
    assert counts(finish(tenant, run)) == {"added": 2}


def test_a_turn_that_comes_while_a_run_is_under_way_is_left_out(tenant, source):
    start_sync(tenant=tenant, source_id=source.pk, trigger="manual", actor="test")
    make_due(tenant, source)
    start_due()
    assert len(runs(tenant)) == 1
    assert schedule_of(tenant, source).next_run_at > timezone.now()


def test_nothing_is_queued_for_a_suspended_tenant_and_once_when_it_is_back(tenant, source):
    make_due(tenant, source)
    Tenant.objects.filter(pk=tenant.pk).update(status="suspended")
    start_due()
    assert not SyncJob.objects.filter(tenant=tenant).exists()
    Tenant.objects.filter(pk=tenant.pk).update(status="active")
    start_due()
    start_due()
    assert len(runs(tenant)) == 1


def test_a_paused_source_waits_and_begins_anew_when_it_is_resumed(tenant, source):
    pause_source(tenant=tenant, source_id=source.pk, actor="test")
    make_due(tenant, source)
    start_due()
    assert runs(tenant) == []
    resume_source(tenant=tenant, source_id=source.pk, actor="test")
    assert schedule_of(tenant, source).next_run_at > timezone.now()


def test_the_first_scheduled_run_of_a_day_reads_every_file(tenant, source):
    make_due(tenant, source)
    start_due()
    finish(tenant, runs(tenant)[-1])
    make_due(tenant, source)
    start_due()
    finish(tenant, runs(tenant)[-1])
    assert [run.full_check for run in runs(tenant)] == [True, False]
    with tenant_context(tenant):
        source.refresh_from_db()
        source.last_full_check_at -= timedelta(days=1)
        source.save()
    make_due(tenant, source)
    start_due()
    assert runs(tenant)[-1].full_check


def test_a_run_that_waits_for_a_person_is_planned_anew_at_each_turn(tenant, source, folder):
    sync(tenant, source)
    away = folder.rename(folder.with_name("away"))
    folder.mkdir()
    run = sync(tenant, source)
    assert run.status == "needs_confirmation"
    make_due(tenant, source)
    start_due()
    assert finish(tenant, run).status == "needs_confirmation"
    folder.rmdir()
    away.rename(folder)
    make_due(tenant, source)
    start_due()
    assert finish(tenant, run).status == "succeeded"
    assert len(runs(tenant)) == 2


def test_asking_what_is_due_costs_the_same_however_many_sources_there_are(folder):
    start_due()
    few = _count_queries()
    for _ in range(5):
        tenant = create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}", isolation="shared")
        folder_source(tenant, folder)
    assert _count_queries() == few == 1


def test_a_crontab_is_matched_in_its_own_time_zone():
    interval, crontab = find_beat_schedule({"crontab": "30 3 * * *", "timezone": "Europe/Vienna"})
    assert interval is None
    schedule = SyncSchedule(source_id=uuid.UUID(int=0), crontab=crontab)
    summer = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    winter = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    late = timedelta(seconds=MOST_JITTER_SECONDS)
    for now, expected in (
        (summer, datetime(2026, 7, 2, 1, 30, tzinfo=UTC)),
        (winter, datetime(2026, 12, 2, 2, 30, tzinfo=UTC)),
    ):
        found = next_run_at(schedule, now)
        assert expected <= found <= expected + late
        assert next_run_at(schedule, found) > found + timedelta(hours=23)


def test_crontabs_are_beats_own_rows(tenant, source):
    wanted = {"crontab": "0 4 * * 1", "timezone": "UTC"}
    update_source(tenant=tenant, source_id=source.pk, actor="test", schedule=wanted)
    schedule = schedule_of(tenant, source)
    assert schedule.interval is None
    assert CrontabSchedule.objects.get(pk=schedule.crontab_id).hour == "4"
    with tenant_context(tenant):
        shown = schedule_json(schedules_of([source.pk])[source.pk])
    assert (shown["crontab"], shown["timezone"]) == ("0 4 * * 1", "UTC")


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"every_minutes": 0},
        {"every_minutes": -5},
        {"every_minutes": "15"},
        {"every_minutes": True},
        {"every_minutes": 10**9},
        {"every_minutes": 15, "crontab": "* * * * *"},
        {"every_hours": 1},
        {"crontab": "* * * *"},
        {"crontab": "61 * * * *"},
        {"crontab": "0 0 31 2 *"},
        {"crontab": "a b c d e"},
        {"crontab": 5},
        {"crontab": "0 3 * * *", "timezone": "Mars/Olympus"},
    ],
)
def test_a_bad_schedule_is_refused_with_a_word_on_what_is_wrong(wanted):
    before = IntervalSchedule.objects.count(), CrontabSchedule.objects.count()
    with pytest.raises(InvalidRequest) as caught:
        find_beat_schedule(wanted)
    assert caught.value.code == "bad_schedule"
    assert caught.value.extra == {"field": "schedule"}
    assert (IntervalSchedule.objects.count(), CrontabSchedule.objects.count()) == before


def test_a_deleted_source_takes_its_schedule_and_its_documents_along(tenant, source):
    sync(tenant, source)
    assert delete_source(tenant=tenant, source_id=source.pk, actor="test") == 2
    assert not SyncSchedule.objects.filter(tenant=tenant).exists()
    assert runs(tenant) == []


def test_a_source_that_is_deleted_while_its_run_waits_leaves_nothing_in_the_queue(tenant, source):
    start_sync(tenant=tenant, source_id=source.pk, trigger="manual", actor="test")
    delete_source(tenant=tenant, source_id=source.pk, actor="test")
    assert not SyncJob.objects.filter(tenant=tenant).exists()


def _count_queries():
    with CaptureQueriesContext(connection) as queries:
        start_due()
    return len(queries)
