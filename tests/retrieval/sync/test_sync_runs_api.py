from __future__ import annotations

import uuid

import pytest

from retrieval.models import Document
from tenants.context import tenant_context
from tenants.services import create_tenant
from tests.retrieval.documents import GUIDE, upload
from tests.retrieval.sync.api import KEYS_OF_RUN, RUNS, SOURCES, Caller, error_of

COUNTS = ("added", "updated", "deleted", "unchanged", "failed")


@pytest.fixture
def source(caller, folder):
    return caller.make_source(folder)


def counts(run):
    return {name: run[name] for name in COUNTS if run[name]}


def test_a_run_has_the_keys_of_the_contract(caller, source):
    run = caller.sync(source)
    assert set(run) >= KEYS_OF_RUN
    assert (run["status"], run["trigger"]) == ("succeeded", "api")
    assert counts(run) == {"added": 3}
    assert (run["embedded_chunks"], run["reused_chunks"]) == (3, 0)
    assert run["started_at"] and run["finished_at"]
    assert (run["errors"], run["error"], run["progress"]) == ([], None, None)
    assert run["source"] == source["id"]
    assert run["plan"]["added"] == 3
    assert set(run["timings"]) == {"planning", "applying", "indexing"}


def test_a_second_run_finds_nothing_to_do(caller, source):
    caller.sync(source)
    run = caller.sync(source)
    assert counts(run) == {"unchanged": 3}
    assert run["status"] == "succeeded"
    assert (run["embedded_chunks"], run["plan"]["read"]) == (0, 0)


def test_a_change_is_told_with_its_paths(caller, source, folder):
    caller.sync(source)
    (folder / "one.md").write_text("# Page one\n\nNow of pots.")
    (folder / "two.md").unlink()
    (folder / "four.md").write_text("# Page four\n\nNew.")
    run = caller.sync(source)
    assert counts(run) == {"added": 1, "updated": 1, "deleted": 1, "unchanged": 1}
    found = {kind: [entry["path"] for entry in caller.paths(run, kind)] for kind in COUNTS}
    assert found == {
        "added": ["four.md"], "updated": ["one.md"], "deleted": ["two.md"],
        "unchanged": ["three.md"], "failed": [],
    }  # fmt: skip


def test_paths_name_the_document_and_come_in_pages(caller, source):
    caller.sync(source)
    run = caller.sync(source)
    page = caller.get(f"{RUNS}{run['id']}/paths/", kind="unchanged", page_size=2).json()
    assert (page["count"], len(page["results"])) == (3, 2)
    entry = page["results"][0]
    assert set(entry) == {"path", "note", "document_id"}
    assert caller.get(f"/api/v1/documents/{entry['document_id']}/").json()["path"] == entry["path"]


@pytest.mark.parametrize("query", [{}, {"kind": "renamed"}])
def test_an_unknown_kind_of_paths_is_told_which_there_are(caller, source, query):
    run = caller.sync(source)
    error = error_of(caller.get(f"{RUNS}{run['id']}/paths/", **query), 400)
    assert "unchanged" in error["message"]


def test_a_dry_run_changes_nothing(caller, source, tenant):
    run = caller.sync(source, dry_run=True)
    assert (run["status"], run["dry_run"]) == ("succeeded", True)
    assert counts(run) == {"added": 3}
    with tenant_context(tenant):
        assert not Document.every.filter(source_id=source["id"]).exists()


def test_a_second_run_at_the_same_time_is_refused(caller, source):
    path = f"{SOURCES}{source['id']}/sync/"
    first = caller.post(path)
    assert first.status_code == 202
    assert set(first.json()) == {"sync_run"}
    assert error_of(caller.post(path), 409)["code"] == "sync_running"
    waiting = caller.get(f"{RUNS}{first.json()['sync_run']}/").json()
    assert waiting["status"] == "queued"
    assert set(waiting["progress"]) == {
        "stage", "done", "total", "embedded_chunks", "reused_chunks", "documents_a_minute",
        "seconds_left",
    }  # fmt: skip


def test_uploads_are_not_synced(caller, tenant):
    upload(tenant)
    uploads = caller.get(SOURCES).json()["results"][0]
    assert (uploads["kind"], uploads["schedule"]) == ("upload", None)
    error = error_of(caller.post(f"{SOURCES}{uploads['id']}/sync/"), 400)
    assert error["code"] == "not_syncable"


@pytest.mark.parametrize("body", [{"dry_run": "perhaps"}, {"full_check": []}])
def test_a_bad_request_for_a_sync_is_refused(caller, source, body):
    error_of(caller.post(f"{SOURCES}{source['id']}/sync/", body), 400)


def test_a_failed_document_is_told_and_can_be_tried_again(caller, source, folder):
    (folder / "four.pdf").write_bytes(b"%PDF-1.7 broken")
    run = caller.sync(source)
    assert run["status"] == "partial"
    assert counts(run) == {"added": 3, "failed": 1}
    (error,) = run["errors"]
    assert set(error) == {"path", "code", "message"}
    assert (error["path"], error["code"]) == ("four.pdf", "corrupt")
    (folder / "four.pdf").unlink()
    retry = caller.post(f"{RUNS}{run['id']}/retry/")
    assert retry.status_code == 202
    again = caller.finish(retry.json()["sync_run"])
    assert again["retry_of"] == run["id"]


def test_emptying_the_source_waits_for_confirmation(caller, source, folder):
    caller.sync(source)
    for path in folder.iterdir():
        path.unlink()
    run = caller.sync(source)
    assert run["status"] == "needs_confirmation"
    assert run["plan"]["deleted"] == 3
    assert "all of its 3 documents" in run["plan"]["reason"]
    confirmed = caller.post(f"{RUNS}{run['id']}/confirm/")
    assert confirmed.status_code == 202
    after = caller.finish(run["id"])
    assert (after["status"], counts(after)) == ("succeeded", {"deleted": 3})


def test_undo_brings_back_what_was_deleted(caller, source, folder):
    caller.sync(source)
    (folder / "two.md").unlink()
    run = caller.sync(source)
    undone = caller.post(f"{RUNS}{run['id']}/undo/")
    assert undone.status_code == 200
    assert undone.json()["undone_at"]
    listed = caller.get("/api/v1/documents/", source=source["id"]).json()
    assert {document["path"] for document in listed["results"]} == {"one.md", "two.md", "three.md"}
    assert caller.get(f"{SOURCES}{source['id']}/").json()["schedule"]["paused"] is True
    assert error_of(caller.post(f"{RUNS}{run['id']}/undo/"), 409)["code"] == "cannot_undo"


def test_a_waiting_run_can_be_cancelled_once(caller, source):
    run_id = caller.post(f"{SOURCES}{source['id']}/sync/").json()["sync_run"]
    cancelled = caller.post(f"{RUNS}{run_id}/cancel/")
    assert cancelled.status_code == 202
    assert cancelled.json()["status"] == "cancelled"
    assert error_of(caller.post(f"{RUNS}{run_id}/cancel/"), 409)["code"] == "already_over"
    assert error_of(caller.post(f"{RUNS}{run_id}/confirm/"), 409)["code"] == "not_waiting"


def test_runs_are_listed_newest_first_and_filtered(caller, source, folder):
    other = caller.make_source(folder, name="Other")
    first, second = caller.sync(source), caller.sync(other, dry_run=True)
    third = caller.post(f"{SOURCES}{source['id']}/sync/").json()["sync_run"]
    listed = caller.get(RUNS).json()
    assert [run["id"] for run in listed["results"]] == [third, second["id"], first["id"]]
    assert all(set(run) >= KEYS_OF_RUN for run in listed["results"])
    assert listed["count"] == 3

    def ids(**query):
        return [run["id"] for run in caller.get(RUNS, **query).json()["results"]]

    assert ids(source=other["id"]) == [second["id"]]
    assert ids(status="queued") == [third]
    assert ids(trigger="schedule") == []


@pytest.mark.parametrize("query", [{"status": "odd"}, {"trigger": "odd"}, {"source": "odd"}])
def test_a_bad_filter_is_named(caller, query):
    error = error_of(caller.get(RUNS, **query), 400)
    assert error["extra"]["field"] in query


def test_the_list_has_the_errors_of_each_run(caller, source, folder):
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    caller.sync(source)
    (run,) = caller.get(RUNS).json()["results"]
    assert [error["path"] for error in run["errors"]] == ["bad.pdf"]


@pytest.mark.parametrize("action", ["", "paths/", "confirm/", "cancel/", "retry/", "undo/"])
def test_what_is_out_of_sight_is_not_there(tenant, caller, source, action):
    run = caller.sync(source)
    stranger = Caller(create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}"))
    outsider = Caller(tenant, levels=["public"])
    for one in (stranger, outsider):
        path = f"{RUNS}{run['id']}/{action}"
        response = one.get(path) if action in ("", "paths/") else one.post(path)
        assert error_of(response, 404)["code"] == "not_found"
        assert one.get(RUNS).json()["count"] == 0


def test_paths_of_documents_at_another_level_are_left_out(tenant, caller, folder):
    source = caller.make_source(folder, access_level="public")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    run = caller.sync(source)
    with tenant_context(tenant):
        Document.objects.filter(path__in=["one.md", "bad.pdf"]).update(access_level="internal")
    outsider = Caller(tenant, levels=["public"])
    added = [entry["path"] for entry in outsider.paths(run, "added")]
    assert sorted(added) == ["three.md", "two.md"]
    assert outsider.get(f"{RUNS}{run['id']}/").json()["errors"] == []


def test_files_uploaded_by_hand_are_never_touched(caller, source, folder, tenant):
    mine = upload(tenant, path="one.md", content=GUIDE)
    caller.sync(source)
    for path in folder.glob("t*.md"):
        path.unlink()
    run = caller.sync(source)
    assert run["deleted"] == 2
    assert caller.get(f"/api/v1/documents/{mine.pk}/").status_code == 200
