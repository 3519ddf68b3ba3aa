"""One archive has everything of a tenant, and nothing of others."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile

import pytest
from django.core.management import CommandError, call_command

from ragadmin.errors import Conflict, InvalidRequest
from ragadmin.installation import PROJECT_DIR
from retrieval.models import Document
from tenants.archive.names import DocumentNames
from tenants.context import tenant_context
from tenants.isolation.levels import LEVELS
from tenants.keys import create_api_key
from tenants.models import AuditEvent
from tenants.storage import local_path
from tenants.tables import tenant_tables
from tests.documents import DOCUMENTS
from tests.tenants.archives import (
    export,
    fill_with_chunks,
    filled_tenant,
    import_,
    new_slug,
    new_tenant,
)


@pytest.fixture(params=list(LEVELS))
def level(request):
    return request.param


def read(path) -> tuple[dict, zipfile.ZipFile]:
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    return json.loads(archive.read("manifest.json")), archive


def rows(archive, table) -> list[dict]:
    return [json.loads(line) for line in archive.read(f"tables/{table}.jsonl").splitlines()]


def test_the_archive_has_documents_as_files_and_every_table(level, tmp_path):
    filled_tenant(level)
    tenant = filled_tenant(level)
    manifest, archive = read(export(tenant, tmp_path))
    with archive:
        for path, (_, text) in DOCUMENTS.items():
            assert archive.read(f"documents/{path}").decode() == text
        for table in tenant_tables():
            assert all("tenant_id" not in row for row in rows(archive, table))
        assert len(rows(archive, "retrieval_document")) == len(DOCUMENTS)
        assert {row["storage_key"] for row in rows(archive, "retrieval_document")} == {
            f"documents/{path}" for path in DOCUMENTS
        }
        listed = {each["name"] for each in manifest["files"]}
        assert listed | {"manifest.json"} == set(archive.namelist())
    assert manifest["tenant"]["slug"] == tenant.slug
    assert manifest["tenant"]["name"] == "Handbook"
    assert manifest["tenant"]["min_similarity"] == 0.123
    assert manifest["tenant"]["isolation"] == level
    migrations = (PROJECT_DIR / "retrieval" / "migrations").glob("0*.py")
    assert manifest["schema_version"] == max(each.stem for each in migrations)


def test_secrets_stay_here(tmp_path):
    tenant = filled_tenant()
    row, key = create_api_key(tenant=tenant, name="site", scopes=["query"])
    path = export(tenant, tmp_path)
    manifest, archive = read(path)
    with archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
        people = json.loads(archive.read("access.json"))
    for secret in (key, row.key_hash, "pbkdf2", "argon2"):
        assert secret.encode() not in content
    assert [each["name"] for each in people["api_keys"]] == ["site"]
    assert people["members"][0]["role"] == "admin"
    assert any("API keys" in line for line in manifest["left_out"])


def test_nothing_of_a_neighbour_is_in_the_archive(level, tmp_path):
    tenant, neighbour = filled_tenant(level), filled_tenant(level)
    with tenant_context(neighbour):
        ids = [str(pk) for pk in Document.objects.values_list("pk", flat=True)]
    _, archive = read(export(tenant, tmp_path))
    with archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert not [each for each in ids if each.encode() in content]
    assert neighbour.slug.encode() not in content


def test_a_file_that_is_there_stays(tmp_path, tenant):
    path = tmp_path / "there.zip"
    path.write_text("mine")
    with pytest.raises(CommandError, match="name another file"):
        call_command("export_tenant", tenant.slug, str(path))
    assert path.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["there.zip"]


def test_a_folder_that_is_not_there_is_told(tmp_path, tenant):
    with pytest.raises(CommandError, match="Nothing can be written to"):
        call_command("export_tenant", tenant.slug, str(tmp_path / "no" / "x.zip"))


def test_a_failed_export_leaves_no_file(tmp_path):
    tenant = filled_tenant()

    def fail(*_):
        raise Conflict("stopped")

    from tenants.archive.export import export_tenant

    with pytest.raises(Conflict):
        export_tenant(tenant=tenant, path=tmp_path / "x.zip", actor=None, progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_lost_file_is_listed_and_its_text_is_kept(tmp_path):
    tenant = filled_tenant()
    with tenant_context(tenant):
        document = Document.objects.get(path="finance/salaries.md")
    local_path(document.storage_key).unlink()
    path = export(tenant, tmp_path)
    manifest, archive = read(path)
    archive.close()
    assert manifest["missing_files"] == ["finance/salaries.md"]
    report = import_(path, slug=new_slug())
    assert "1 files were missing" in report.notes[0]
    with tenant_context(report.tenant):
        assert "25th" in Document.objects.get(path="finance/salaries.md").markdown


def test_an_export_is_audited_without_content(tmp_path):
    tenant = filled_tenant()
    export(tenant, tmp_path)
    event = AuditEvent.objects.get(action="tenant.exported", target=tenant.slug)
    assert event.detail["documents"] == 2


def test_the_command_tells_what_it_wrote(tmp_path):
    tenant = filled_tenant()
    output = io.StringIO()
    call_command("export_tenant", tenant.slug, str(tmp_path / "a.zip"), "--json", stdout=output)
    report = json.loads(output.getvalue())
    assert report["documents"] == 2
    assert report["bytes"] == (tmp_path / "a.zip").stat().st_size


def test_an_unknown_tenant_is_told(tmp_path):
    with pytest.raises(CommandError, match="There is no tenant 'nobody-here'"):
        call_command("export_tenant", "nobody-here", str(tmp_path / "x.zip"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("guide/start.md", "guide/start.md"),
        ("a:b?.txt", "a_b_.txt"),
        ("con.txt", "_con.txt"),
        ("dir./x", "dir/x"),
        ("~/x", "~/x"),
        ("x" * 300 + ".md", "x" * 120),
    ],
)
def test_names_of_documents_are_safe_everywhere(path, name):
    assert DocumentNames().take(path) == f"documents/{name}"


def test_names_that_clash_get_a_number():
    names = DocumentNames()
    taken = [names.take(path) for path in ("A.md", "a.md", "a.md", "A.md/b", "a.md/B", "x", "x/y")]
    assert len({name.casefold() for name in taken}) == len(taken)
    assert taken[3:] == [
        "documents/A.md_b", "documents/a (2).md_B", "documents/x", "documents/x_y",
    ]  # fmt: skip
    assert taken[:3] == ["documents/A.md", "documents/a (2).md", "documents/a (3).md"]


def test_memory_is_flat_however_many_chunks_there_are(tmp_path):
    peaks = {"export": [], "import": []}
    for count in (1000, 6000):
        tenant = new_tenant()
        fill_with_chunks(tenant, count)
        path, report = tmp_path / f"{count}.zip", None
        with peak_memory(peaks["export"]):
            call_command("export_tenant", tenant.slug, str(path), stdout=io.StringIO())
        with peak_memory(peaks["import"]):
            report = import_(path, slug=new_slug())
        assert report.rows > count
    for kind, (small, large) in peaks.items():
        assert large < small + 4 * 2**20, (kind, small, large)


class peak_memory:
    def __init__(self, peaks: list[int]) -> None:
        self.peaks = peaks

    def __enter__(self) -> None:
        tracemalloc.start()

    def __exit__(self, *_) -> None:
        self.peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()


def test_a_full_disk_is_told_in_a_line(tenant):
    from pathlib import Path

    from tenants.archive.export import export_tenant

    with pytest.raises(InvalidRequest, match="written"):
        export_tenant(tenant=tenant, path=Path("/proc/x.zip"), actor=None)
