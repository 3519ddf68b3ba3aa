"""An imported tenant answers as the exported one did; what is no export changes nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, connections

from monitoring.models import QueryMetric
from ragadmin.errors import Conflict, InvalidRequest
from ragadmin.installation import PROJECT_DIR
from retrieval.evaluation.runs import begin_evaluation
from retrieval.indexing.index import index_next_batch
from retrieval.models import (
    Chunk,
    Document,
    Evaluation,
    Feedback,
    GoldenQuestion,
    QueryTrace,
    Source,
    TermFrequency,
)
from retrieval.providers.embedders import get_embedder
from retrieval.query.answer import answer
from retrieval.query.request import AnswerRequest, SearchRequest
from retrieval.query.search import search
from retrieval.services.golden import add_golden_question
from tenants.archive import import_ as import_module, reading
from tenants.archive.manifest import ArchiveError
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.leftovers import sweep_files
from tenants.models import AuditEvent, DocumentJob, EvaluationJob, Membership, Provider, Tenant
from tenants.pool import close_pool, tenant_transaction
from tenants.removal import remove_tenant
from tenants.storage import file_keys, local_path, mark_leftover, marked_leftovers
from tests.documents import upload_and_index
from tests.retrieval.documents import upload
from tests.tenants.archives import (
    QUESTIONS,
    caller,
    export,
    fill_with_chunks,
    filled_tenant,
    import_,
    new_slug,
    new_tenant,
    rewrite,
)  # fmt: skip


@pytest.fixture(params=list(LEVELS))
def level(request):
    return request.param


@pytest.fixture(scope="module")
def archive(django_db_setup, django_db_blocker, tmp_path_factory):
    """Of a tenant that is not there any more. For tests that only read it."""
    with django_db_blocker.unblock():
        new_tenant("partition")  # makes the pool, which stays; the archive's own makes the other
        tenant = filled_tenant("shared")
        path = export(tenant, tmp_path_factory.mktemp("archive"))
        remove_tenant(tenant=tenant, actor=None)
    return path


def answers(tenant):
    """Hits with scores, and the answer's text, of several questions at two sets of levels."""
    callers = [caller(tenant), caller(tenant, ("public",))]
    return async_to_sync(_answers)(callers)


async def _answers(callers):
    try:
        return [await _answer(each, question) for each in callers for question in QUESTIONS]
    finally:
        await close_pool()


async def _answer(caller, question):
    async with tenant_transaction(caller.tenant) as connection:
        vector = get_embedder(caller.tenant.embedding_model).embed([question])[0]
        hits = await search(connection, caller, SearchRequest(question), vector)
    events = [event async for event in answer(caller, AnswerRequest(question))]
    done = events[-1].answer
    return [(hit.path, hit.text, hit.score, hit.similarity, hit.chunk_id) for hit in hits], done[
        "answer"
    ]


def everything(tenant):
    """Of every table what does not depend on the installation."""
    with tenant_context(tenant):
        return {
            model.__name__: sorted(
                json.dumps([row[name] for name in sorted(row) if name not in left_out], default=str)
                for row in model.objects.values()
            )
            for model in (Source, Document, Chunk, TermFrequency, QueryTrace, Feedback)
        }


left_out = {"tenant_id", "storage_key", "id", "source_id", "document_id", "trace_id", "api_key_id",
            "updated_at", "hits", "embedding", "term_weights"}  # fmt: skip


def folders() -> list[str]:
    return sorted(each.name for each in local_path("tenants").iterdir())


def nothing_new(path, **options):
    """The error of an import that must leave no tenant, schema or file."""

    def state():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_class")
            return Tenant.objects.count(), cursor.fetchone(), folders(), marked_leftovers()

    before = state()
    with pytest.raises((ArchiveError, InvalidRequest, Conflict)) as caught:
        import_(path, **options)
    assert state() == before
    return caught.value


@pytest.mark.parametrize("target", list(LEVELS))
def test_another_slug_and_level_gives_the_same_answers(level, target, tmp_path):
    tenant = filled_tenant(level)
    expected, rows = answers(tenant), everything(tenant)
    assert any(hits for hits, _ in expected)
    path = export(tenant, tmp_path)
    report = import_(path, slug=new_slug(), isolation=target)
    assert report.tenant.isolation == target
    assert everything(report.tenant)["Chunk"] == rows["Chunk"]
    assert answers(report.tenant) == expected
    assert answers(tenant) == expected


def test_the_same_slug_after_a_deletion_is_the_same_tenant(level, tmp_path):
    tenant = filled_tenant(level)
    expected, rows = answers(tenant), everything(tenant)
    with tenant_context(tenant):
        ids = set(Document.objects.values_list("pk", flat=True))
    rows = everything(tenant)
    path = export(tenant, tmp_path)
    remove_tenant(tenant=tenant, actor=None)
    again = import_(path).tenant
    assert (again.slug, again.isolation, again.name) == (tenant.slug, level, "Handbook")
    assert (again.top_k, again.min_similarity) == (4, 0.123)
    assert everything(again) == rows
    with tenant_context(again):
        assert set(Document.objects.values_list("pk", flat=True)) == ids
    assert answers(again) == expected


def test_an_archive_from_before_a_setting_takes_its_default(archive):
    def forget(manifest):
        del manifest["tenant"]["trace_days"], manifest["tenant"]["evaluates_nightly"]

    tenant = import_(rewrite(archive, change_manifest=forget), slug=new_slug()).tenant
    assert (tenant.trace_days, tenant.evaluates_nightly) == (None, True)


def test_the_files_are_the_same_and_the_tenants_own(level, tmp_path):
    tenant = filled_tenant(level)
    path = export(tenant, tmp_path)
    copy = import_(path, slug=new_slug()).tenant
    with tenant_context(copy):
        for document in Document.objects.all():
            assert document.storage_key.startswith(f"tenants/{copy.pk}/")
            with default_storage.open(document.storage_key) as file:
                content = file.read()
            assert hashlib.sha256(content).hexdigest() == document.content_hash
    remove_tenant(tenant=tenant, actor=None)
    with tenant_context(copy):
        assert all(default_storage.exists(each.storage_key) for each in Document.objects.all())


def test_an_imported_tenant_can_be_changed_and_indexed_on(level, archive):
    tenant = import_(archive, slug=new_slug(), isolation=level).tenant
    with tenant_context(tenant):
        highest = max(Chunk.objects.values_list("pk", flat=True))
    upload_and_index(tenant, {"new.md": ("public", "# New\n\nThe kettle whistles at noon.\n")})
    with tenant_context(tenant):
        assert Chunk.objects.filter(document__path="new.md").get().pk > highest
        Document.objects.get(path="guide/passwords.md").delete()


def test_traces_name_the_new_documents_where_ids_were_taken(tmp_path):
    tenant = filled_tenant("shared")
    with tenant_context(tenant):
        document = Document.objects.first()
        QueryTrace.objects.update(hits=[{"document_id": str(document.pk), "score": 1.5}])
    report = import_(export(tenant, tmp_path), slug=new_slug())
    assert "new ids" in " ".join(report.notes)
    with tenant_context(report.tenant):
        (hit,) = QueryTrace.objects.get().hits
        assert Document.objects.get(pk=hit["document_id"]).path == document.path
        assert hit["score"] == 1.5


def test_people_are_found_by_email_and_keys_are_not_carried_over(tmp_path):
    tenant = filled_tenant()
    member = Membership.objects.get(tenant=tenant)
    path = export(tenant, tmp_path)

    def forget(files):
        values = json.loads(files["access.json"])
        values["members"].append(
            {"email": "nobody@example.net", "role": "owner", "access_levels": []}
        )
        values["people"] = [{"id": member.user_id, "email": member.user.email.upper()}]
        files["access.json"] = json.dumps(values).encode()

    report = import_(rewrite(path, forget), slug=new_slug())
    imported = Membership.objects.get(tenant=report.tenant)
    assert (imported.user, imported.role, imported.access_levels) == (
        member.user,
        "admin",
        ["public"],
    )
    assert "1 members are not known here" in report.notes[0]
    with tenant_context(report.tenant):
        trace = QueryTrace.objects.get()
    assert (trace.user_id, trace.api_key_id) == (member.user_id, None)


def test_strangers_of_another_installation_are_nobody_here(tmp_path):
    tenant = filled_tenant()

    def elsewhere(files):
        files["access.json"] = json.dumps({"members": [], "people": [], "api_keys": []}).encode()

    report = import_(rewrite(export(tenant, tmp_path), elsewhere), slug=new_slug())
    with tenant_context(report.tenant):
        assert QueryTrace.objects.get().user_id is None
    assert not Membership.objects.filter(tenant=report.tenant).exists()


def test_a_model_endpoint_is_found_by_name_or_told(tmp_path):
    tenant = filled_tenant()
    provider = Provider.objects.create(
        name=f"p-{new_slug()}", base_url="http://x.test", small_model="a", large_model="b"
    )
    tenant.provider = provider
    tenant.save()
    path = export(tenant, tmp_path)
    assert import_(path, slug=new_slug()).tenant.provider == provider
    tenant.provider = None
    tenant.save()
    Tenant.objects.filter(provider=provider).update(provider=None)
    provider.delete()
    report = import_(path, slug=new_slug())
    assert report.tenant.provider is None
    assert "There is no model endpoint" in report.notes[0]


def test_documents_that_waited_are_indexed_here(level, tmp_path):
    tenant = new_tenant(level)
    upload(tenant)
    path = export(tenant, tmp_path)
    remove_tenant(tenant=tenant, actor=None)
    copy = import_(path).tenant
    assert DocumentJob.objects.filter(tenant=copy).count() == 1
    while index_next_batch("test"):
        pass
    with tenant_context(copy):
        assert Document.objects.get().status == "ready"


def test_an_import_is_audited(archive):
    tenant = import_(archive, slug=new_slug()).tenant
    event = AuditEvent.objects.get(tenant=tenant, action="tenant.imported")
    assert event.detail["documents"] == 2


def test_a_slug_that_is_taken_or_bad_is_refused(archive):
    taken = import_(archive, slug=new_slug()).tenant
    assert "already a tenant" in str(nothing_new(archive, slug=taken.slug))
    assert "reserved" in str(nothing_new(archive, slug="operator"))
    assert "A slug has" in str(nothing_new(archive, slug="../x"))
    assert "Isolation is one of" in str(nothing_new(archive, slug=new_slug(), isolation="none"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_archive_is_refused(archive, tmp_path, share):
    path = tmp_path / "cut.zip"
    content = archive.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "not a ZIP archive, or its end is missing" in str(nothing_new(path))


@pytest.mark.parametrize("name", ["tables/retrieval_chunk.jsonl", "manifest.json"])
def test_flipped_bytes_are_noticed(archive, tmp_path, name):
    with zipfile.ZipFile(archive) as original:
        offset = original.getinfo(name).header_offset + 120
    content = bytearray(archive.read_bytes())
    content[offset : offset + 8] = bytes(each ^ 0xFF for each in content[offset : offset + 8])
    path = tmp_path / "flipped.zip"
    path.write_bytes(content)
    assert "The archive is damaged" in str(nothing_new(path))


def test_other_files_are_no_archives(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"%PDF-1.7 and more")
    assert "not a ZIP archive" in str(nothing_new(path))
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("holiday.jpg", b"x")
    assert "not an export of a ragadmin tenant" in str(nothing_new(path))
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("manifest.json", json.dumps({"name": "an extension", "version": "2"}))
    assert "not an export of a ragadmin tenant" in str(nothing_new(path))
    assert "There is no file" in str(nothing_new(tmp_path / "nowhere.zip"))
    assert nothing_new(tmp_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format_version": 2}, "reads up to 1: update it first"),
        ({"format_version": "x"}, "cannot be read"),
        ({"schema_version": "0999_future"}, "which this ragadmin does not know"),
        ({"files": []}, "is not in both"),
        ({"files": None}, "cannot be read"),
        ({"tenant": {}}, "settings in the archive"),
        ({"columns": {}}, "tables are not those"),
        ({"kind": "another"}, "not an export"),
    ],
)
def test_a_manifest_that_does_not_fit_is_told(archive, values, said):
    changed = rewrite(archive, change_manifest=lambda manifest: manifest.update(values))
    assert said in str(nothing_new(changed, slug=new_slug()))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"embedding_model": "nobody:knows"}, "is not known"),
        ({"embedding_dimension": 3072}, "not of the model"),
        ({"top_k": 0}, "settings in the archive"),
        ({"min_similarity": "x"}, "settings in the archive"),
        ({"status": "importing"}, "settings in the archive"),
        ({"access_levels": "public"}, "settings in the archive"),
        ({"name": None}, "settings in the archive"),
        ({"name": "x\0"}, "settings in the archive"),
    ],
)
def test_settings_that_cannot_be_are_told(archive, values, said):
    changed = rewrite(archive, change_manifest=lambda manifest: manifest["tenant"].update(values))
    assert said in str(nothing_new(changed, slug=new_slug()))


def swap(table, old, new):
    def change(files):
        name = f"tables/{table}.jsonl"
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def edit_chunks(files, **values):
    name = "tables/retrieval_chunk.jsonl"
    rows = [json.loads(line) | values for line in files[name].splitlines()]
    kept = rows if values["id"] == 5 else rows[:1]
    files[name] = b"".join(json.dumps(row).encode() + b"\n" for row in kept)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap("retrieval_chunk", b'"embedding":"[', b'"embedding":"[x'), "cannot be stored"),
        (swap("retrieval_chunk", b'{"', b'{"a":1},{"'), "contradict|is not what"),
        (
            swap("retrieval_termfrequency", b"}", b'},{"term":1,"chunks":1}'),
            "is not what|contradict|same id",
        ),
        (swap("retrieval_chunk", b'"ordinal":', b'"ordinary":'), "contradict each other"),
        (swap("retrieval_chunk", b'"id":', b'"id":99999999999999999999'), "cannot be stored"),
        (lambda files: edit_chunks(files, id=2**49), "have ids that no export has"),
        (lambda files: edit_chunks(files, id=-5), "have ids that no export has"),
        (lambda files: edit_chunks(files, id=5), "have the same id"),
        (swap("retrieval_document", b'"', b"'"), "is not what was exported"),
        (swap("retrieval_document", b'"path": "', b'"path": "\\u0000'), "cannot be stored"),
        (swap("retrieval_querytrace", b"{", b"[{"), "is not what was exported"),
        (lambda files: files.update({"tables/retrieval_source.jsonl": b""}), "contradict|refer to"),
        (
            lambda files: files.update({"tables/retrieval_document.jsonl": b""}),
            "contradict|refer to",
        ),
        (lambda files: files.update({"tables/other.jsonl": b"{}\n"}), "tables are not those"),
        (lambda files: files.pop("tables/retrieval_chunk.jsonl"), "tables are not those"),
        (lambda files: files.pop("access.json"), "access.json is missing"),
        (lambda files: files.update({"access.json": b"[]"}), "cannot be read"),
        (lambda files: files.update({"extra.txt": b"x"}), "does not belong in it"),
    ],
)
def test_rows_that_do_not_fit_are_told_and_leave_nothing(level, archive, change, said):
    error = str(nothing_new(rewrite(archive, change), slug=new_slug(), isolation=level))
    assert any(part in error for part in said.split("|")), error


def test_a_changed_document_is_noticed_by_its_checksum(archive):
    def change(files):
        files["documents/guide/passwords.md"] = b"x" * len(files["documents/guide/passwords.md"])

    error = nothing_new(rewrite(archive, change, relist=False), slug=new_slug())
    assert "passwords.md is not what was exported" in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "documents/../x",
        "documents//x",
        "C:/x",
        "a\\b",
        "documents/x/",
    ],
)
def test_names_that_lead_elsewhere_are_refused(archive, name):
    changed = rewrite(archive, lambda files: files.update({name: b""}))
    assert "The archive is damaged" in str(nothing_new(changed, slug=new_slug()))


def test_a_link_a_double_and_an_encrypted_entry_are_refused(archive, tmp_path):
    link = zipfile.ZipInfo("documents/link")
    link.external_attr = 0o120777 << 16
    for name, said in ((link, "not a plain file"), ("manifest.json", "two files of the same name")):
        path = tmp_path / "x.zip"
        path.write_bytes(archive.read_bytes())
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as changed:
            warnings.simplefilter("ignore")
            changed.writestr(name, b"/etc/passwd")
        assert said in str(nothing_new(path, slug=new_slug()))
    content = archive.read_bytes()
    entry = content.index(b"PK\x01\x02")
    path.write_bytes(content[: entry + 8] + b"\x01" + content[entry + 9 :])
    assert "encrypted" in str(nothing_new(path, slug=new_slug()))


def test_what_would_unpack_to_far_too_much_is_refused(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "SMALL", 0)
    path = tmp_path / "x.zip"
    path.write_bytes(archive.read_bytes())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("documents/zeros", bytes(30 * 2**20))
    assert "would unpack to" in str(nothing_new(path, slug=new_slug()))


def test_a_row_cannot_take_another_tenants_file_or_document(tmp_path):
    victim, tenant = filled_tenant("shared"), filled_tenant("shared")
    with tenant_context(victim):
        document = Document.objects.get(path="finance/salaries.md")
    path = export(tenant, tmp_path)

    def point_at_file(files):
        name = "tables/retrieval_document.jsonl"
        files[name] = files[name].replace(
            b"documents/guide/passwords.md", document.storage_key.encode()
        )

    copy = import_(rewrite(path, point_at_file), slug=new_slug(), isolation="shared").tenant
    with tenant_context(copy):
        assert not Document.objects.filter(storage_key=document.storage_key).exists()
    remove_tenant(tenant=copy, actor=None)
    assert default_storage.exists(document.storage_key)

    def point_at_document(files):
        lines = files["tables/retrieval_chunk.jsonl"].splitlines()
        row = json.loads(lines[0]) | {"document_id": str(document.pk), "ordinal": 77}
        files["tables/retrieval_chunk.jsonl"] += json.dumps(row | {"id": 7777}).encode() + b"\n"

    error = nothing_new(rewrite(path, point_at_document), slug=new_slug(), isolation="shared")
    assert "contradict" in str(error)


def test_a_killed_import_leaves_no_tenant_and_the_next_one_works(level, tmp_path):
    tenant = filled_tenant(level)
    fill_with_chunks(tenant, 3_000)
    path, slug = export(tenant, tmp_path), new_slug()
    assert marked_leftovers() == []
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_tenant", str(path), "--slug", slug],
        cwd=PROJECT_DIR,
        env=os.environ | {
            "DATABASE_URL": database_url(), "RAGADMIN_SECRET_KEY": settings.SECRET_KEY,
            "DJANGO_SETTINGS_MODULE": "ragadmin.settings.dev",
            "RAGADMIN_DATA_DIR": str(local_path("").parent),
        },
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(file_keys(each) for each in marked_leftovers()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Tenant.objects.filter(slug=slug).exists()
    (left,) = marked_leftovers()
    assert file_keys(left)
    again = retry_import(path, slug)
    assert again.rows > 3_000
    assert marked_leftovers() == file_keys(left) == []
    with tenant_context(again.tenant):
        assert Chunk.objects.count() > 3_000


def retry_import(path, slug):
    """The server needs a moment to notice that its client is dead."""
    for _ in range(100):
        sweep_files()
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user"
                " AND pid <> pg_backend_pid() AND state <> 'idle' AND backend_type = 'client backend'"
            )
            if cursor.fetchone() == (0,):
                break
        time.sleep(0.1)
    return import_(path, slug=slug)


def database_url() -> str:
    values = connections["owner"].settings_dict
    return (
        f"postgresql://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}"
        f"/{values['NAME']}"
    )


def test_only_marked_files_of_no_tenant_are_swept_away(archive):
    """A folder that the database does not know may belong to another database."""
    tenant = import_(archive, slug=new_slug()).tenant
    for number in (tenant.pk, 999_999_998, 999_999_999):
        default_storage.save(f"tenants/{number}/x", ContentFile(b"x"))
    mark_leftover(tenant.pk)
    mark_leftover(999_999_999)
    sweep_files()
    assert marked_leftovers() == file_keys(999_999_999) == []
    assert default_storage.exists("tenants/999999998/x")
    assert default_storage.exists(f"tenants/{tenant.pk}/x")


def test_the_files_of_a_running_import_are_not_swept_away(archive, monkeypatch):
    seen = []

    def sweep_meanwhile(cursor, tenant):
        with ThreadPoolExecutor(1) as other:
            other.submit(sweep_and_close).result()
        seen.append(len(file_keys(tenant.pk)))

    monkeypatch.setattr(import_module, "AFTER_IMPORT", [sweep_meanwhile])
    import_(archive, slug=new_slug())
    assert seen == [2]


def sweep_and_close():
    sweep_files()
    connections.close_all()


def test_the_command_imports_and_tells(archive):
    output, slug = io.StringIO(), new_slug()
    call_command("import_tenant", str(archive), "--slug", slug, "--json", stdout=output)
    report = json.loads(output.getvalue())
    assert (report["slug"], report["isolation"], report["documents"]) == (slug, "shared", 2)


def test_the_command_tells_in_one_line_what_is_wrong(tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_tenant", str(tmp_path / "no.zip"))


def test_golden_questions_and_evaluations_come_along_and_one_under_way_is_over(tmp_path):
    tenant = new_tenant("shared")
    with tenant_context(tenant):
        trace = QueryTrace.objects.create(question="Who?", access_levels=["public"])
        golden = add_golden_question(
            question="Who?", access_levels=["public"], created_by="tester", trace_id=trace.pk
        )
        call = {"kind": "generation", "model": "m", "input_tokens": 9, "cost_usd": "0.25"}
        result = {"id": str(golden.pk), "asked_at": "2026-03-01T12:00:00Z", "calls": [call]}
        summary = {"hit_rate": 0.5, "cost_usd": "0.25"}
        Evaluation.objects.create(status="succeeded", results=[result], summary=summary)
        begin_evaluation(trigger="hand", created_by="tester")
    report = import_(export(tenant, tmp_path), slug=new_slug())
    copy = report.tenant
    assert "new ids" in " ".join(report.notes)
    with tenant_context(copy):
        question = GoldenQuestion.objects.get(question="Who?")
        assert question.trace_id == QueryTrace.objects.get().pk != trace.pk
        measured, cut_off = Evaluation.objects.order_by("-status")
        assert (measured.status, cut_off.status) == ("succeeded", "cancelled")
        assert measured.results == [result | {"id": str(question.pk)}], "the next is compared by it"
        assert measured.summary == summary
    (booked,) = QueryMetric.objects.filter(tenant_id=copy.pk, entry="evaluation")
    assert (booked.answer_id, booked.calls) == (measured.pk, [call])
    assert copy.evaluation_due_at
    assert not EvaluationJob.objects.filter(tenant=copy).exists()
