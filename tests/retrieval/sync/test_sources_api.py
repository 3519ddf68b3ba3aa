from __future__ import annotations

import uuid

import pytest

from retrieval.models import Document, Source
from tenants.context import tenant_context
from tenants.models import AuditEvent, SyncSchedule
from tenants.services import create_tenant
from tests.retrieval.sync.api import RUNS, SOURCES, Caller, error_of, folder_source

KEYS = {
    "id", "name", "kind", "config", "has_credentials", "schedule", "access_level",
    "max_deleted_share", "keep_days", "documents", "failed_documents", "last_run",
    "last_full_check_at", "created_by", "created_at", "updated_at",
}  # fmt: skip


def url_of(source):
    return f"{SOURCES}{source['id']}/"


def test_a_source_is_made_with_what_the_contract_says(caller, folder):
    made = caller.post(SOURCES, folder_source(folder) | {"schedule": {"every_minutes": 30}})
    assert made.status_code == 201
    source = made.json()
    assert set(source) == KEYS
    assert source["config"]["url"] == str(folder)
    assert source["access_level"] == "internal"
    assert source["schedule"]["every_minutes"] == 30
    assert source["schedule"]["paused"] is False
    assert source["schedule"]["next_run_at"]
    assert (source["documents"], source["last_run"]) == (0, None)
    assert caller.get(url_of(source)).json() == source


def test_without_a_schedule_it_is_every_fifteen_minutes(caller, folder):
    assert caller.make_source(folder)["schedule"]["every_minutes"] == 15


def test_a_crontab_is_taken_with_its_time_zone(caller, folder):
    wanted = {"crontab": "0 3 * * 1", "timezone": "Europe/Vienna"}
    schedule = caller.make_source(folder, schedule=wanted)["schedule"]
    assert {name: schedule[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    "schedule",
    [
        {"every_minutes": 0},
        {"every_minutes": "often"},
        {"crontab": "daily"},
        {"crontab": "99 * * * *"},
        {"every_minutes": 5, "crontab": "* * * * *"},
        {"crontab": "0 3 * * *", "timezone": "Moon/Crater"},
        {"hourly": True},
    ],
)
def test_a_bad_schedule_is_named(caller, folder, schedule):
    error = error_of(caller.post(SOURCES, folder_source(folder) | {"schedule": schedule}), 400)
    assert error["code"] == "bad_schedule"
    assert error["extra"]["field"] == "schedule"


def test_an_unknown_kind_is_told_which_there_are(caller, folder):
    error = error_of(caller.post(SOURCES, folder_source(folder) | {"kind": "fax"}), 400)
    assert "folder" in error["message"] and "web" in error["message"]


def test_a_folder_outside_the_roots_is_refused(caller, folder):
    config = {"url": "/etc"}
    error = error_of(caller.post(SOURCES, folder_source(folder) | {"config": config}), 400)
    assert error["extra"]["field"] == "config.url"
    assert str(folder.parent) in error["message"]


@pytest.mark.parametrize("config", [{}, {"url": ""}, {"url": 5}, {"url": "ftp://x"}, {"uri": "x"}])
def test_a_bad_config_is_refused(caller, folder, config):
    error_of(caller.post(SOURCES, folder_source(folder) | {"config": config}), 400)


def test_an_unknown_access_level_is_refused(caller, folder):
    error = error_of(caller.post(SOURCES, folder_source(folder) | {"access_level": "secret"}), 400)
    assert error["code"] == "bad_access_level"


def test_a_misspelled_field_is_not_left_out_without_a_word(caller, folder):
    body = folder_source(folder) | {"shedule": {"every_minutes": 5}}
    error = error_of(caller.post(SOURCES, body), 400)
    assert "shedule" in error["message"] and "schedule" in error["message"]


@pytest.mark.parametrize("missing", ["name", "kind", "access_level"])
def test_a_missing_field_is_named(caller, folder, missing):
    body = folder_source(folder)
    del body[missing]
    error = error_of(caller.post(SOURCES, body), 400)
    assert missing in error["extra"]["fields"]


@pytest.mark.parametrize("body", ["[1]", '"x"', "{"])
def test_what_is_no_object_is_refused(caller, body):
    response = caller.client.post(SOURCES, body, content_type="application/json")
    assert error_of(response, 400)["code"] == "invalid_json"


def test_a_name_is_there_once(caller, folder):
    caller.make_source(folder)
    assert error_of(caller.post(SOURCES, folder_source(folder)), 409)["code"] == "name_taken"


def test_credentials_are_taken_and_never_shown(caller, folder, tenant):
    source = caller.make_source(folder, credentials={"key": "AKIA-1", "secret": "hidden-word"})
    shown = caller.get(url_of(source))
    assert shown.json()["has_credentials"] is True
    assert b"hidden-word" not in shown.content
    with tenant_context(tenant):
        assert "hidden-word" not in Source.objects.get(pk=source["id"]).credentials_encrypted


def test_unknown_credentials_are_refused(caller, folder):
    body = folder_source(folder) | {"credentials": {"pin": "1234"}}
    assert error_of(caller.post(SOURCES, body), 400)["extra"]["field"] == "credentials"


def test_a_change_leaves_the_rest_as_it_is(caller, folder):
    source = caller.make_source(folder, credentials={"key": "a", "secret": "b"})
    changed = caller.patch(url_of(source), {"schedule": {"crontab": "5 4 * * *"}, "keep_days": 3})
    assert changed.status_code == 200
    after = changed.json()
    assert after["schedule"]["crontab"] == "5 4 * * *"
    assert after["keep_days"] == 3
    same = KEYS - {"schedule", "keep_days", "updated_at"}
    assert {name: after[name] for name in same} == {name: source[name] for name in same}


def test_the_kind_stays(caller, folder):
    source = caller.make_source(folder)
    assert "kind" in error_of(caller.patch(url_of(source), {"kind": "web"}), 400)["message"]


@pytest.mark.parametrize("change", [{"max_deleted_share": 2}, {"keep_days": -1}, {"name": ""}])
def test_numbers_out_of_range_are_refused(caller, folder, change):
    error_of(caller.patch(url_of(caller.make_source(folder)), change), 400)


def test_a_new_access_level_is_given_to_the_documents(caller, folder):
    source = caller.make_source(folder)
    caller.sync(source)
    caller.patch(url_of(source), {"access_level": "public"})
    listed = caller.get("/api/v1/documents/", source=source["id"]).json()["results"]
    assert [document["access_level"] for document in listed] == ["public"] * 3


def test_pause_and_resume(caller, folder, tenant):
    source = caller.make_source(folder)
    paused = caller.post(f"{url_of(source)}pause/")
    assert paused.status_code == 200
    assert paused.json()["schedule"] == {
        "every_minutes": 15, "paused": True, "next_run_at": None,
    }  # fmt: skip
    resumed = caller.post(f"{url_of(source)}resume/").json()
    assert resumed["schedule"]["paused"] is False
    assert resumed["schedule"]["next_run_at"]
    events = AuditEvent.objects.filter(tenant=tenant, target=source["id"])
    assert {"source.paused", "source.resumed"} <= set(events.values_list("action", flat=True))


def test_deleting_takes_documents_runs_and_schedule(caller, folder, tenant):
    source = caller.make_source(folder)
    run = caller.sync(source)
    assert run["added"] == 3
    assert caller.delete(url_of(source)).status_code == 204
    assert caller.get(url_of(source)).status_code == 404
    assert caller.get(f"{RUNS}{run['id']}/").status_code == 404
    assert not SyncSchedule.objects.filter(source_id=source["id"]).exists()
    with tenant_context(tenant):
        assert not Document.every.filter(source_id=source["id"]).exists()


def test_the_list_is_by_name_and_in_pages(caller, folder):
    for name in ("b", "a", "c"):
        caller.make_source(folder, name=name)
    page = caller.get(SOURCES, page_size=2).json()
    assert page["count"] >= 3
    names = [source["name"] for source in caller.get(SOURCES).json()["results"]]
    assert [name for name in names if len(name) == 1] == ["a", "b", "c"]
    assert len(page["results"]) == 2
    assert page["next"]


def test_the_list_takes_no_query_for_each_source(caller, folder, django_assert_max_num_queries):
    for number in range(6):
        caller.make_source(folder, name=f"source {number}")
    with django_assert_max_num_queries(16):
        assert len(caller.get(SOURCES).json()["results"]) == 6


def test_the_last_run_is_shown(caller, folder):
    source = caller.make_source(folder)
    run = caller.sync(source)
    caller.sync(source, dry_run=True)
    shown = caller.get(url_of(source)).json()
    assert shown["last_run"]["id"] == run["id"]
    assert shown["last_run"]["status"] == "succeeded"
    assert (shown["documents"], shown["failed_documents"]) == (3, 0)


def test_scopes(tenant, caller, folder):
    source = caller.make_source(folder)
    asker, admin = Caller(tenant, "query"), Caller(tenant, "admin")
    for response in (asker.get(SOURCES), asker.get(url_of(source)), asker.get(RUNS)):
        assert error_of(response, 403)["code"] == "scope_missing"
    assert error_of(asker.post(SOURCES, folder_source(folder)), 403)["code"] == "scope_missing"
    assert admin.get(url_of(source)).status_code == 200
    assert error_of(admin.post(f"{url_of(source)}sync/"), 403)["code"] == "scope_missing"
    assert Caller(tenant, "ingest").post(f"{url_of(source)}sync/").status_code == 202


@pytest.mark.parametrize("action", ["", "sync/", "pause/", "resume/"])
def test_what_is_out_of_sight_is_not_there(tenant, caller, folder, action):
    source = caller.make_source(folder)
    stranger = Caller(create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}"))
    outsider = Caller(tenant, levels=["public"])
    for one in (stranger, outsider):
        path = url_of(source) + action
        response = one.post(path) if action else one.get(path)
        assert error_of(response, 404)["code"] == "not_found"
    assert outsider.delete(url_of(source)).status_code == 404
    assert outsider.patch(url_of(source), {"name": "x"}).status_code == 404
    assert source["name"] not in outsider.get(SOURCES).content.decode()


def test_a_key_may_not_give_a_level_it_lacks(tenant, folder):
    outsider = Caller(tenant, levels=["public"])
    error_of(outsider.post(SOURCES, folder_source(folder)), 403)
