"""Runs of a real folder into a real database: what changed is paid for, and nothing else."""

from __future__ import annotations

import os

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ragadmin.errors import Conflict, InvalidRequest
from retrieval.indexing.run_paths import unpack
from retrieval.models import Chunk, Document, Source, SyncError, SyncRun
from retrieval.services.documents import delete_document, store_upload
from retrieval.services.sync_runs import (
    cancel_run,
    confirm_run,
    retry_run,
    start_sync,
    undo_run,
)
from tenants.context import tenant_context
from tenants.models import DocumentJob, SyncJob, SyncSchedule
from tests.retrieval.sync.folders import (
    counts,
    document,
    finish,
    folder_source,
    paths,
    reload,
    sync,
    sync_root,
    texts,
    write,
)

FILES = {
    "start.md": "# Start\n\nThe boiler room is behind the red door.\n",
    "guides/lift.md": "# Lift\n\nThe lift stops at the third floor.\n\n## Care\n\nOil it in May.\n",
    "guides/heating.txt": "The heating is turned on in October.\n",
}


@pytest.fixture
def folder(tmp_path):
    with sync_root(tmp_path):
        write(tmp_path / "docs", FILES)
        yield tmp_path / "docs"


@pytest.fixture
def source(tenant, folder):
    return folder_source(tenant, folder)


def test_a_first_run_adds_everything_and_leaves_a_receipt(tenant, source):
    run = sync(tenant, source)
    assert (run.status, counts(run)) == ("succeeded", {"added": 3})
    assert paths(tenant, run, "added") == sorted(FILES)
    assert run.embedded_chunks == sum(1 for _ in _chunks(tenant)) > 0
    assert run.reused_chunks == 0
    assert run.embedded_tokens > 0
    assert run.cost_usd == 0
    assert run.plan["bytes"] == sum(len(text) for text in FILES.values())
    assert run.plan["tokens"] > 0
    assert set(run.timings) == {"planning", "applying", "indexing"}
    assert "red door" in texts(tenant)["start.md"]


def test_a_second_run_reads_nothing_and_embeds_nothing(tenant, source):
    sync(tenant, source)
    before = list(_chunks(tenant))
    run = sync(tenant, source)
    assert (run.status, counts(run)) == ("succeeded", {"unchanged": 3})
    assert (run.plan["read"], run.embedded_chunks, run.reused_chunks) == (0, 0, 0)
    assert paths(tenant, run, "unchanged") == sorted(FILES)
    assert list(_chunks(tenant)) == before


def test_touched_files_are_read_once_and_then_known_again(tenant, source, folder):
    sync(tenant, source)
    for name in FILES:
        os.utime(folder / name, (1_600_000_000, 1_600_000_000))
    run = sync(tenant, source)
    assert (counts(run), run.plan["read"], run.embedded_chunks) == ({"unchanged": 3}, 3, 0)
    assert sync(tenant, source).plan["read"] == 0


def test_only_the_changed_passage_of_a_changed_file_is_embedded(tenant, source, folder):
    long = "# Rules\n\n" + "\n\n".join(
        f"## Rule {n}\n\nRule number {n} says that door {n} is locked at {n} o'clock."
        + " Yes." * 60
        for n in range(8)
    )
    write(folder, {"rules.md": long})
    sync(tenant, source)
    kept = {chunk.content_hash: chunk.id for chunk in _chunks(tenant, "rules.md")}
    write(folder, {"rules.md": long.replace("door 3 is locked", "door 3 is open")})
    run = sync(tenant, source)
    assert counts(run) == {"updated": 1, "unchanged": 3}
    assert run.embedded_chunks == 1
    now = {chunk.content_hash: chunk.id for chunk in _chunks(tenant, "rules.md")}
    assert run.reused_chunks == len(now) - 1
    same = kept.keys() & now.keys()
    assert {key: kept[key] for key in same} == {key: now[key] for key in same}


def test_a_renamed_file_is_the_same_document_with_the_same_passages(tenant, source, folder):
    sync(tenant, source)
    was = document(tenant, "start.md")
    (folder / "start.md").rename(folder / "guides" / "begin.md")
    run = sync(tenant, source)
    assert (counts(run), run.embedded_chunks) == ({"updated": 1, "unchanged": 2}, 0)
    assert document(tenant, "guides/begin.md").pk == was.pk
    assert paths(tenant, run, "updated") == ["guides/begin.md"]
    assert counts(sync(tenant, source)) == {"unchanged": 3}


def test_names_that_change_places_in_a_ring_keep_their_documents(tenant, source, folder):
    write(folder, {"a.md": "first of the ring", "b.md": "second, which is longer"})
    sync(tenant, source)
    (folder / "a.md").rename(folder / "c.md")
    (folder / "b.md").rename(folder / "d.md")
    run = sync(tenant, source)
    assert (counts(run), run.embedded_chunks) == ({"updated": 2, "unchanged": 3}, 0)
    assert texts(tenant)["d.md"] == "second, which is longer"


def test_a_case_only_rename_is_a_rename(tenant, source, folder):
    sync(tenant, source)
    (folder / "start.md").rename(folder / "START.md")
    run = sync(tenant, source)
    assert (counts(run), run.embedded_chunks) == ({"updated": 1, "unchanged": 2}, 0)


def test_a_file_that_becomes_a_folder(tenant, source, folder):
    sync(tenant, source)
    (folder / "start.md").unlink()
    write(folder, {"start.md/inside.md": "Now a folder stands here."})
    run = sync(tenant, source)
    assert counts(run) == {"added": 1, "deleted": 1, "unchanged": 2}
    assert "start.md" not in texts(tenant)


def test_a_copy_of_a_file_embeds_nothing(tenant, source, folder):
    sync(tenant, source)
    write(folder, {"copies/start.md": FILES["start.md"]})
    run = sync(tenant, source)
    assert (counts(run), run.embedded_chunks) == ({"added": 1, "unchanged": 3}, 0)
    assert run.reused_chunks > 0
    assert texts(tenant)["copies/start.md"] == texts(tenant)["start.md"]


def test_a_deleted_file_leaves_the_search_and_is_kept(tenant, source, folder):
    sync(tenant, source)
    (folder / "start.md").unlink()
    run = sync(tenant, source)
    assert counts(run) == {"deleted": 1, "unchanged": 2}
    assert paths(tenant, run, "deleted") == ["start.md"]
    assert "start.md" not in texts(tenant)
    with tenant_context(tenant):
        assert Document.objects.count() == 2
        assert Document.kept.get().path == "start.md"


def test_uploads_of_the_same_name_are_never_touched(tenant, source, folder):
    upload(tenant, "start.md", b"Uploaded by hand.")
    sync(tenant, source)
    (folder / "start.md").unlink()
    run = sync(tenant, source)
    assert counts(run) == {"deleted": 1, "unchanged": 2}
    with tenant_context(tenant):
        assert Document.objects.get(path="start.md").source.kind == "upload"


def test_a_bad_file_fails_alone_with_its_reason_and_is_not_tried_until_it_changes(
    tenant, source, folder
):
    write(folder, {"bad.pdf": b"%PDF-1.7 but nothing of one"})
    run = sync(tenant, source)
    assert (run.status, counts(run)) == ("partial", {"added": 3, "failed": 1})
    assert paths(tenant, run, "failed") == ["bad.pdf"]
    with tenant_context(tenant):
        error = SyncError.objects.get(sync_run=run)
    assert (error.path, error.code) == ("bad.pdf", "corrupt")
    assert error.message
    again = sync(tenant, source)
    assert (again.status, counts(again), again.plan["read"]) == ("succeeded", {"unchanged": 4}, 0)
    write(folder, {"bad.pdf": b"%PDF-1.7 still nothing of one, but longer"})
    assert counts(sync(tenant, source)) == {"unchanged": 3, "failed": 1}


def test_a_failed_update_keeps_the_earlier_text_searchable(tenant, source, folder):
    sync(tenant, source)
    write(folder, {"start.md": b"\x89PNG\r\n\x1a\n" + bytes(400)})
    run = sync(tenant, source)
    assert (run.status, counts(run)) == ("partial", {"unchanged": 2, "failed": 1})
    assert "red door" in texts(tenant)["start.md"]
    assert document(tenant, "start.md").status == "failed"
    write(folder, {"start.md": "The boiler room is behind the blue door."})
    assert counts(sync(tenant, source)) == {"updated": 1, "unchanged": 2}
    assert "blue door" in texts(tenant)["start.md"]


def test_retry_takes_the_failed_ones_only(tenant, source, folder):
    write(folder, {"bad.pdf": b"%PDF-1.7 but nothing of one"})
    run = sync(tenant, source)
    write(folder, {"bad.pdf": b"%PDF-1.7 but nothing of one", "new.md": "Not listed by a retry."})
    again = finish(tenant, retry_run(tenant=tenant, run_id=run.pk, actor="test"))
    assert (again.trigger, again.status, counts(again)) == ("retry", "partial", {"failed": 1})
    assert "new.md" not in texts(tenant)
    with pytest.raises(Conflict):
        retry_run(tenant=tenant, run_id=sync(tenant, source).pk, actor="test")


def test_a_dry_run_changes_nothing_and_shows_the_plan(tenant, source):
    run = sync(tenant, source, dry_run=True)
    assert (run.status, run.dry_run, counts(run)) == ("succeeded", True, {"added": 3})
    assert paths(tenant, run, "added") == sorted(FILES)
    assert texts(tenant) == {}
    with tenant_context(tenant):
        assert not Document.objects.exists()


def test_mass_deletion_stops_with_the_counts_until_it_is_confirmed(tenant, source, folder):
    write(folder, {f"many/{n}.txt": f"Number {n} of many." for n in range(20)})
    sync(tenant, source)
    for n in range(12):
        (folder / f"many/{n}.txt").unlink()
    run = sync(tenant, source)
    assert run.status == "needs_confirmation"
    assert run.plan["deleted"] == 12
    assert "12 of 23 documents would be deleted" in run.plan["reason"]
    assert len(texts(tenant)) == 23
    done = finish(tenant, confirm_run(tenant=tenant, run_id=run.pk, actor="test"))
    assert (done.status, counts(done)) == ("succeeded", {"deleted": 12, "unchanged": 11})
    assert len(texts(tenant)) == 11


def test_confirming_covers_what_was_shown_and_nothing_that_vanished_since(tenant, source, folder):
    write(folder, {f"many/{n}.txt": f"Number {n} of many." for n in range(20)})
    sync(tenant, source)
    for n in range(12):
        (folder / f"many/{n}.txt").unlink()
    run = sync(tenant, source)
    (folder / "many/19.txt").unlink()
    again = finish(tenant, confirm_run(tenant=tenant, run_id=run.pk, actor="test"))
    assert again.status == "needs_confirmation"
    assert len(texts(tenant)) == 23


def test_an_empty_folder_asks_and_goes_on_by_itself_when_the_files_are_back(tenant, source, folder):
    sync(tenant, source)
    away = folder.with_name("away")
    folder.rename(away)
    folder.mkdir()
    run = sync(tenant, source)
    assert run.status == "needs_confirmation"
    assert "nothing at all" in run.plan["reason"]
    folder.rmdir()
    away.rename(folder)
    again = sync(tenant, source)
    assert (again.pk, again.status, counts(again)) == (run.pk, "succeeded", {"unchanged": 3})


def test_a_waiting_run_can_be_cancelled(tenant, source, folder):
    sync(tenant, source)
    for name in FILES:
        (folder / name).unlink()
    run = sync(tenant, source)
    cancel_run(tenant=tenant, run_id=run.pk, actor="test")
    assert reload(tenant, run).status == "cancelled"
    assert len(texts(tenant)) == 3
    assert not SyncJob.objects.filter(tenant=tenant).exists()


def test_a_folder_that_is_not_there_fails_the_run_and_deletes_nothing(tenant, source, folder):
    sync(tenant, source)
    folder.rename(folder.with_name("unmounted"))
    run = sync(tenant, source)
    assert run.status == "failed"
    assert run.error_code and run.error_message
    assert counts(run) == {}
    assert len(texts(tenant)) == 3


def test_undo_brings_back_what_was_deleted_and_replaced_and_pauses(tenant, source, folder):
    sync(tenant, source)
    before, chunks = texts(tenant), {chunk.id for chunk in _chunks(tenant)}
    (folder / "start.md").unlink()
    write(folder, {"guides/lift.md": "# Lift\n\nThe lift is gone.\n", "new.md": "Something new."})
    run = sync(tenant, source)
    assert counts(run) == {"added": 1, "updated": 1, "deleted": 1, "unchanged": 1}
    undone = undo_run(tenant=tenant, run_id=run.pk, actor="test")
    assert undone.undone_at is not None
    after = texts(tenant)
    assert after.pop("new.md")
    assert after == before
    assert chunks <= {chunk.id for chunk in _chunks(tenant)}
    assert SyncSchedule.objects.get(tenant=tenant, source_id=source.pk).is_paused
    with pytest.raises(Conflict):
        undo_run(tenant=tenant, run_id=run.pk, actor="test")


def test_only_the_last_run_can_be_undone(tenant, source, folder):
    sync(tenant, source)
    (folder / "start.md").unlink()
    first = sync(tenant, source)
    (folder / "guides/lift.md").unlink()
    sync(tenant, source)
    with pytest.raises(Conflict, match="only the last"):
        undo_run(tenant=tenant, run_id=first.pk, actor="test")


def test_a_run_without_changes_does_not_stand_in_the_way_of_an_undo(tenant, source, folder):
    sync(tenant, source)
    (folder / "start.md").unlink()
    run = sync(tenant, source)
    sync(tenant, source)
    undo_run(tenant=tenant, run_id=run.pk, actor="test")
    assert "start.md" in texts(tenant)


def test_two_runs_of_a_source_never_overlap(tenant, source):
    run = start_sync(tenant=tenant, source_id=source.pk, trigger="manual", actor="test")
    with pytest.raises(Conflict) as caught:
        start_sync(tenant=tenant, source_id=source.pk, trigger="api", actor="test")
    assert caught.value.code == "sync_running"
    finish(tenant, run)
    assert counts(sync(tenant, source)) == {"unchanged": 3}


def test_uploads_are_not_synced(tenant):
    upload(tenant, "a.md", b"By hand.")
    with tenant_context(tenant):
        source = Source.objects.get(kind="upload")
    with pytest.raises(InvalidRequest):
        start_sync(tenant=tenant, source_id=source.pk, trigger="manual", actor="test")


def test_a_queued_run_that_is_cancelled_never_begins(tenant, source):
    run = start_sync(tenant=tenant, source_id=source.pk, trigger="manual", actor="test")
    cancel_run(tenant=tenant, run_id=run.pk, actor="test")
    assert reload(tenant, run).status == "cancelled"
    assert counts(sync(tenant, source)) == {"added": 3}


def test_the_same_size_and_time_with_other_bytes_is_found_by_the_full_check(tenant, source, folder):
    path = folder / "start.md"
    os.utime(path, (1_600_000_000, 1_600_000_000))
    sync(tenant, source)
    path.write_text(FILES["start.md"].replace("red", "mud"))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert counts(sync(tenant, source)) == {"unchanged": 3}
    run = sync(tenant, source, full_check=True)
    assert counts(run) == {"updated": 1, "unchanged": 2}
    assert "mud door" in texts(tenant)["start.md"]


def test_the_queries_of_a_run_without_changes_do_not_grow_with_the_files(tenant, source, folder):
    sync(tenant, source)
    few = _count_queries(tenant, source)
    write(folder, {f"more/{n}.txt": f"File number {n}." for n in range(60)})
    sync(tenant, source)
    assert _count_queries(tenant, source) <= few


def test_a_synced_document_is_not_deleted_by_hand(tenant, source):
    sync(tenant, source)
    with pytest.raises(Conflict) as caught:
        delete_document(tenant=tenant, document_id=document(tenant, "start.md").pk)
    assert caught.value.code == "synced"


def test_no_trace_is_left_in_the_queue(tenant, source):
    sync(tenant, source)
    assert not DocumentJob.objects.filter(tenant=tenant).exists()
    assert not SyncJob.objects.filter(tenant=tenant).exists()


def test_quiet_runs_keep_no_lists_but_the_last(tenant, source):
    first = sync(tenant, source)
    second = sync(tenant, source)
    third = sync(tenant, source)
    with tenant_context(tenant):
        packed = dict(SyncRun.objects.values_list("pk", "paths"))
    assert unpack(packed[first.pk])["added"]
    assert not packed[second.pk]
    assert unpack(packed[third.pk])["unchanged"]


def _count_queries(tenant, source):
    with CaptureQueriesContext(connection) as queries:
        run = sync(tenant, source)
    assert run.plan["read"] == 0
    return len(queries)


def _chunks(tenant, path=None):
    with tenant_context(tenant):
        chunks = Chunk.objects.order_by("document_id", "ordinal")
        if path:
            chunks = chunks.filter(document__path=path)
        yield from list(chunks)


def upload(tenant, path, content):
    import io

    return store_upload(
        tenant=tenant,
        file=io.BytesIO(content),
        path=path,
        access_level="public",
        uploaded_by="test",
    )
