from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from retrieval.indexing.run_paths import entry
from retrieval.models import Document, Source, SyncError, SyncRun
from tenants.context import tenant_context
from tenants.models import SyncSchedule
from tests.retrieval.pages import sign_in
from tests.retrieval.sources import make_run, make_source

PATHS = {"HX-Request": "true", "HX-Target": "paths"}
RUN = {"HX-Request": "true", "HX-Target": "run"}


@pytest.fixture
def owner(tenant):
    return sign_in(tenant)


@pytest.fixture
def base(tenant):
    return f"/t/{tenant.slug}/"


@pytest.fixture
def roots(settings, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    settings.SYNC_ROOTS = [str(tmp_path)]
    return folder


def text(response):
    """Without tags and with single blanks, as people read it."""
    assert response.status_code == 200, response.status_code
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def folder_values(folder, **values):
    return {
        "name": "Handbook",
        "place": "file",
        "url": str(folder),
        "access_level": "public",
        "when": "interval",
        "every_minutes": "15",
        "timezone": "UTC",
        "max_deleted_percent": "30",
        "keep_days": "7",
    } | values


def source_named(tenant, name="Handbook"):
    with tenant_context(tenant):
        return Source.objects.get(name=name)


def add_document(tenant, source, path, **values):
    defaults = {
        "external_id": path,
        "access_level": "public",
        "status": "ready",
        "size_bytes": 1,
        "content_hash": "0",
        "chunk_count": 2,
    }
    with tenant_context(tenant):
        return Document.every.create(source=source, path=path, **(defaults | values))


@pytest.mark.parametrize("page", ["sources/", "sources/new/folder/", "sync-runs/"])
def test_members_and_strangers_see_nothing_of_it(tenant, base, page):
    assert sign_in(tenant, role="member", levels=["public"]).get(base + page).status_code == 403
    assert sign_in().get(base + page).status_code == 404


def test_member_has_no_links_to_sources(tenant, base):
    page = sign_in(tenant, role="member", levels=["public"]).get(base).content.decode()
    assert "/sources/" not in page
    assert "/sync-runs/" not in page
    assert f"{base}sources/" in sign_in(tenant, role="admin").get(base).content.decode()


def test_empty_list_explains_the_three_kinds(owner, base):
    page = owner.get(f"{base}sources/")
    assert "No sources yet" in text(page)
    for kind in ("folder", "web", "upload"):
        assert f"{base}sources/new/{kind}/" in page.content.decode()
    assert "Nothing synced yet" in text(owner.get(f"{base}sync-runs/"))


def test_list_says_what_a_source_is_and_when_it_is_next_synced(owner, base, tenant):
    source = make_source(tenant)
    add_document(tenant, source, "a.md")
    add_document(tenant, source, "b.md", status="failed")
    make_run(tenant, source, paths={"unchanged": ["a.md"]})
    page = owner.get(f"{base}sources/")
    said = text(page)
    for words in ("Handbook", "/srv/docs", "2 documents", "1 failed", "nothing changed"):
        assert words in said
    assert "Every 15 minutes" in said
    assert re.search(r"in 1[456] minutes .*UTC", said)
    assert f"?source={source.pk}&amp;status=failed" in page.content.decode()


def test_source_without_a_schedule_says_so(owner, base, tenant):
    source = make_source(tenant, schedule=False)
    assert "Not scheduled" in text(owner.get(f"{base}sources/"))
    assert "Not scheduled" in text(owner.get(f"{base}sources/{source.pk}/"))


def test_list_costs_the_same_queries_for_one_source_and_for_many(owner, base, tenant):
    make_run(tenant, make_source(tenant, "One"))
    owner.get(f"{base}sources/")
    with CaptureQueriesContext(connection) as few:
        owner.get(f"{base}sources/")
    for number in range(6):
        make_run(tenant, make_source(tenant, f"More {number}"))
    with CaptureQueriesContext(connection) as many:
        owner.get(f"{base}sources/")
    assert len(many) == len(few)


def test_source_above_the_own_levels_does_not_exist(tenant, base):
    secret = make_source(tenant, "Secret", access_level="internal")
    run = make_run(tenant, secret, paths={"added": ["plans.md"]})
    admin = sign_in(tenant, role="admin", levels=["public"])
    assert "Secret" not in text(admin.get(f"{base}sources/"))
    assert "Secret" not in text(admin.get(f"{base}sync-runs/"))
    for address in (f"sources/{secret.pk}/", f"sync-runs/{run.pk}/"):
        assert admin.get(base + address).status_code == 404
    for action in (f"sources/{secret.pk}/sync/", f"sources/{secret.pk}/delete/"):
        assert admin.post(base + action).status_code == 404
    for action in ("confirm", "cancel", "retry", "undo"):
        assert admin.post(f"{base}sync-runs/{run.pk}/{action}/").status_code == 404


def test_new_folder_is_saved_and_looked_at_first(owner, base, tenant, roots):
    values = folder_values(roots, include="*.md\n\n guides/ \n", then="look")
    response = owner.post(f"{base}sources/new/folder/", values)
    source = source_named(tenant)
    assert source.config["include"] == ["*.md", "guides/"]
    assert source.created_by == owner.user.email
    with tenant_context(tenant):
        run = SyncRun.objects.get(source=source)
    assert run.dry_run
    assert run.trigger == "manual"
    assert response["Location"] == f"{base}sync-runs/{run.pk}/"


def test_new_website_is_saved_and_synced(owner, base, tenant):
    values = folder_values("", url="https://example.com/docs/", max_pages="20", then="sync")
    owner.post(f"{base}sources/new/web/", values)
    source = source_named(tenant)
    assert source.config["max_pages"] == 20
    with tenant_context(tenant):
        assert not SyncRun.objects.get(source=source).dry_run


def test_new_source_of_uploads_needs_only_a_name(owner, base, tenant):
    page = owner.get(f"{base}sources/new/upload/").content.decode()
    assert "crontab" not in page
    owner.post(f"{base}sources/new/upload/", {"name": "Letters", "access_level": "public"})
    assert source_named(tenant, "Letters").kind == "upload"
    assert not SyncSchedule.objects.filter(source_id=source_named(tenant, "Letters").pk).exists()


def test_unknown_kind_is_not_found(owner, base):
    assert owner.get(f"{base}sources/new/telepathy/").status_code == 404


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"url": "/etc"}, "is not below"),
        ({"url": "ftp://host/a"}, "is not a kind of folder"),
        ({"when": "crontab", "crontab": "0 3 * *"}, "A crontab has five parts"),
        ({"when": "crontab", "crontab": "99 3 * * *"}, "cannot be read"),
        ({"when": "crontab", "crontab": "0 3 * * *", "timezone": "Mars/Base"}, "no time zone"),
        ({"every_minutes": ""}, "after how many minutes"),
        ({"max_deleted_percent": "130"}, "less than or equal to 100"),
        ({"include": "x" * 600}, "pattern"),
    ],
)
def test_refused_form_keeps_what_was_entered_and_says_why(owner, base, roots, values, words):
    response = owner.post(f"{base}sources/new/folder/", folder_values(roots) | values)
    said = text(response)
    assert words in said
    assert "Not saved" in said
    assert 'aria-invalid="true"' in response.content.decode()


def test_name_that_is_taken_is_refused_at_the_name(owner, base, tenant, roots):
    make_source(tenant)
    assert "already" in text(owner.post(f"{base}sources/new/folder/", folder_values(roots)))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"when": "interval", "every_minutes": "15"}, "Every 15 minutes"),
        ({"when": "interval", "every_minutes": "120"}, "Every 2 hours"),
        ({"when": "interval", "every_minutes": "1440"}, "Every day"),
        ({"when": "crontab", "crontab": "0 3 * * 1-5", "timezone": "Europe/Vienna"}, "03:00"),
        ({"when": "crontab", "crontab": "nonsense"}, "A crontab has five parts"),
    ],
)
def test_schedule_is_said_in_words_while_it_is_entered(owner, base, values, words):
    assert words in text(owner.get(f"{base}sources/schedule/", values))


def test_secrets_are_stored_and_never_shown_again(owner, base, tenant):
    secret = "wJalrXUtnFEMI-not-a-real-one"
    values = folder_values(
        "",
        url="s3://bucket/docs",
        place="s3",
        option_region="eu-central-1",
        credential_key="AKIA",
        credential_secret=secret,
    )
    owner.post(f"{base}sources/new/folder/", values)
    source = source_named(tenant)
    stored = source.credentials_encrypted
    assert stored
    assert secret not in stored
    assert source.config["options"] == {"region": "eu-central-1"}
    page = owner.get(f"{base}sources/{source.pk}/edit/")
    assert secret not in page.content.decode()
    assert "Stored; leave empty to keep it" in text(page)
    kept = {name: value for name, value in values.items() if not name.startswith("credential_")}
    owner.post(f"{base}sources/{source.pk}/edit/", kept | {"name": "Renamed"})
    assert source_named(tenant, "Renamed").credentials_encrypted == stored
    owner.post(f"{base}sources/{source.pk}/edit/", kept | {"forget_credentials": "on"})
    assert source_named(tenant).credentials_encrypted == ""


def test_edit_shows_what_is_set_and_changes_it(owner, base, tenant, roots):
    owner.post(f"{base}sources/new/folder/", folder_values(roots, exclude="drafts/"))
    source = source_named(tenant)
    address = f"{base}sources/{source.pk}/edit/"
    page = owner.get(address).content.decode()
    assert "drafts/" in page
    assert "Every 15 minutes" in page
    changed = folder_values(
        roots, when="crontab", crontab="30 2 * * *", timezone="Europe/Vienna", keep_days="3"
    )
    assert owner.post(address, changed).status_code == 302
    assert source_named(tenant).keep_days == 3
    page = owner.get(address).content.decode()
    assert 'value="30 2 * * *"' in page
    assert "Europe/Vienna" in text(owner.get(f"{base}sources/{source.pk}/"))


def test_pause_and_resume(owner, base, tenant):
    source = make_source(tenant)
    owner.post(f"{base}sources/{source.pk}/pause/", {"back": "list"})
    assert SyncSchedule.objects.get(source_id=source.pk).is_paused
    assert "Paused" in text(owner.get(f"{base}sources/"))
    owner.post(f"{base}sources/{source.pk}/resume/")
    assert not SyncSchedule.objects.get(source_id=source.pk).is_paused


def test_second_sync_leads_to_the_one_under_way(owner, base, tenant):
    source = make_source(tenant)
    first = owner.post(f"{base}sources/{source.pk}/sync/")
    second = owner.post(f"{base}sources/{source.pk}/sync/")
    assert first["Location"] == second["Location"]
    with tenant_context(tenant):
        assert SyncRun.objects.filter(source=source).count() == 1


def test_delete_counts_first(owner, base, tenant):
    source = make_source(tenant)
    add_document(tenant, source, "a.md")
    add_document(tenant, source, "b.md")
    address = f"{base}sources/{source.pk}/delete/"
    said = text(owner.get(address))
    assert re.search(r"Documents 2 Passages[^0-9]* 4 ", said)
    response = owner.post(address, follow=True)
    assert "Handbook was deleted, with 2 documents" in text(response)
    with tenant_context(tenant):
        assert not Document.every.filter(source_id=source.pk).exists()


def test_runs_are_filtered_by_the_address(owner, base, tenant):
    one, other = make_source(tenant, "One"), make_source(tenant, "Other")
    changed = make_run(tenant, one, paths={"added": ["new.md"]})
    quiet = make_run(tenant, one, trigger="schedule", paths={"unchanged": ["old.md"]})
    failed = make_run(tenant, other, status="failed", error_message="It is away.")

    def shown(query):
        page = owner.get(f"{base}sync-runs/?{query}").content.decode()
        return {run.pk for run in (changed, quiet, failed) if f"{run.pk}/" in page}

    assert shown("") == {changed.pk, quiet.pk, failed.pk}
    assert shown("changes=on") == {changed.pk}
    assert shown(f"source={one.pk}") == {changed.pk, quiet.pk}
    assert shown("status=failed") == {failed.pk}
    assert shown("trigger=schedule") == {quiet.pk}
    assert shown("status=nonsense&source=nonsense&page=99") == {changed.pk, quiet.pk, failed.pk}
    assert "No run matches" in text(owner.get(f"{base}sync-runs/?status=partial"))
    assert "nothing changed" in text(owner.get(f"{base}sync-runs/"))


def test_run_shows_plan_and_receipt_with_the_paths_behind_each_count(owner, base, tenant):
    source = make_source(tenant)
    document = add_document(tenant, source, "b.md")
    run = make_run(
        tenant,
        source,
        paths={
            "added": ["new.md"],
            "updated": [entry("b.md", "renamed from a.md", document.pk)],
            "skipped": [entry("x.bin", "files of this type cannot be read")],
        },
        embedded_chunks=3,
        reused_chunks=40,
    )
    page = owner.get(f"{base}sync-runs/{run.pk}/")
    said = text(page)
    assert "1 added, 1 updated" in said
    assert "free (local model)" in said
    assert re.search(r"Passages reused – 40", said)
    assert "?show=added#paths" in page.content.decode()
    updated = owner.get(f"{base}sync-runs/{run.pk}/?show=updated", headers=PATHS)
    assert "renamed from a.md" in text(updated)
    assert f"{base}documents/{document.pk}/" in updated.content.decode()
    skipped = owner.get(f"{base}sync-runs/{run.pk}/?show=skipped", headers=PATHS)
    assert "cannot be read" in text(skipped)
    missed = owner.get(f"{base}sync-runs/{run.pk}/?show=added&q=zebra", headers=PATHS)
    assert "No path matches" in text(missed)


def test_paths_come_in_pages(owner, base, tenant):
    run = make_run(tenant, make_source(tenant), paths={"added": [f"{n:03}.md" for n in range(120)]})
    page = text(owner.get(f"{base}sync-runs/{run.pk}/?page=5"))
    assert "119.md" in page
    assert "001.md" not in page


def test_run_without_changes_is_a_success(owner, base, tenant):
    run = make_run(tenant, make_source(tenant), paths={"unchanged": ["a.md", "b.md"]})
    said = text(owner.get(f"{base}sync-runs/{run.pk}/"))
    assert "Nothing changed" in said
    assert "2 documents are as they were" in said


def test_failed_documents_have_their_reason_and_can_be_tried_again(owner, base, tenant):
    source = make_source(tenant)
    run = make_run(
        tenant, source, status="partial", paths={"added": ["a.md"], "failed": ["bad.pdf"]}
    )
    with tenant_context(tenant):
        SyncError.objects.create(
            sync_run=run, external_id="bad.pdf", path="bad.pdf", code="corrupt", message="Broken."
        )
    said = text(owner.get(f"{base}sync-runs/{run.pk}/"))
    assert "1 document could not be read" in said
    assert re.search(r"bad\.pdf\s+corrupt\s+Broken\.", said)
    response = owner.post(f"{base}sync-runs/{run.pk}/retry/")
    with tenant_context(tenant):
        again = SyncRun.objects.get(retry_of=run.pk)
    assert response["Location"] == f"{base}sync-runs/{again.pk}/"


def test_failed_run_says_that_nothing_was_changed_and_what_to_do(owner, base, tenant):
    run = make_run(
        tenant,
        make_source(tenant),
        status="failed",
        error_code="source_unavailable",
        error_message="The folder is not mounted.",
        plan={},
    )
    said = text(owner.get(f"{base}sync-runs/{run.pk}/"))
    for words in ("The folder is not mounted.", "Nothing was changed.", "Try again"):
        assert words in said


def test_run_that_would_delete_too_much_asks_with_the_paths(owner, base, tenant):
    source = make_source(tenant)
    gone = [f"{n}.md" for n in range(12)]
    run = make_run(tenant, source, status="needs_confirmation", paths={"deleted": gone})
    with tenant_context(tenant):
        plan = run.plan | {"reason": "12 of 20 documents would be deleted."}
        SyncRun.objects.filter(pk=run.pk).update(plan=plan)
    said = text(owner.get(f"{base}sync-runs/{run.pk}/"))
    for words in ("Delete 12 documents?", "12 of 20 documents would be deleted.", "4.md"):
        assert words in said
    owner.post(f"{base}sync-runs/{run.pk}/cancel/")
    assert "Nothing was changed" in text(owner.get(f"{base}sync-runs/{run.pk}/"))


def test_dry_run_offers_to_run_it(owner, base, tenant):
    source = make_source(tenant)
    run = make_run(tenant, source, dry_run=True, paths={"added": ["a.md"]})
    page = owner.get(f"{base}sync-runs/{run.pk}/")
    assert "Nothing was changed" in text(page)
    assert "Run it now" in text(page)
    assert "Actual" not in text(page)


def test_page_of_a_run_looks_again_only_while_it_is_under_way(owner, base, tenant):
    source = make_source(tenant)
    run = make_run(tenant, source, status="running", stage="indexing")
    add_document(tenant, source, "a.md", status="queued", sync_run=run, sync_action="add")
    add_document(tenant, source, "b.md", sync_run=run, sync_action="add")
    address = f"{base}sync-runs/{run.pk}/"
    page = owner.get(address).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert 'max="2" value="1"' in page
    with tenant_context(tenant):
        earlier = timezone.now() - timezone.timedelta(minutes=5)
        SyncRun.objects.filter(pk=run.pk).update(started_at=earlier)
    part = owner.get(address, headers=RUN).content.decode()
    assert 'hx-trigger="every 5s"' in part
    assert "<html" not in part
    with tenant_context(tenant):
        SyncRun.objects.filter(pk=run.pk).update(status="succeeded", finished_at=timezone.now())
    assert "hx-trigger" not in owner.get(address, headers=RUN).content.decode()


def test_progress_costs_few_queries(owner, base, tenant):
    run = make_run(tenant, make_source(tenant), status="running", stage="indexing")
    owner.get(f"{base}sync-runs/{run.pk}/", headers=RUN)
    with CaptureQueriesContext(connection) as found:
        owner.get(f"{base}sync-runs/{run.pk}/", headers=RUN)
    assert len([each for each in found if "retrieval_" in each["sql"]]) <= 2


def test_screen_readers_are_told_only_what_is_new(owner, base, tenant):
    source = make_source(tenant)
    run = make_run(tenant, source, status="running", stage="indexing")
    add_document(tenant, source, "a.md", status="queued", sync_run=run, sync_action="add")
    address = f"{base}sync-runs/{run.pk}/"
    part = owner.get(address, headers=RUN).content.decode()
    assert "hx-swap-oob" in part
    again = re.search(r'hx-get="([^"]+)"', part)
    assert again is not None
    assert "hx-swap-oob" not in owner.get(again[1], headers=RUN).content.decode()


def test_undo_counts_first_and_says_that_it_pauses(owner, base, tenant):
    source = make_source(tenant)
    run = make_run(tenant, source, paths={"deleted": ["gone.md"], "updated": ["new.md"]})
    removed = {"removed_at": timezone.now(), "removed_by": run.pk, "kept_chunks": []}
    add_document(tenant, source, "gone.md", **removed)
    add_document(tenant, source, "new.md", **removed)
    add_document(tenant, source, "new.md")
    assert "This run deleted 1 and replaced 1 documents." in text(
        owner.get(f"{base}sync-runs/{run.pk}/")
    )
    said = text(owner.get(f"{base}sync-runs/{run.pk}/undo/"))
    assert re.search(r"Deleted by the run 1 Replaced by the run 1", said)
    assert "paused with it" in said


def test_run_that_cannot_be_undone_says_why(owner, base, tenant):
    run = make_run(tenant, make_source(tenant), dry_run=True)
    assert "A dry run changes nothing" in text(owner.get(f"{base}sync-runs/{run.pk}/undo/"))
    assert "Undo this run" not in text(owner.get(f"{base}sync-runs/{run.pk}/"))
