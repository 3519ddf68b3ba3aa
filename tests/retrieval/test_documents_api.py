from __future__ import annotations

import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from retrieval.models import Source
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.services import create_tenant
from tests.retrieval.documents import GUIDE, index_all, read, upload

URL = "/api/v1/documents/"


def client_of(tenant, *scopes, levels=("public", "internal")) -> Client:
    _, key = create_api_key(tenant=tenant, name="test", scopes=scopes, access_levels=levels)
    return Client(headers={"Authorization": f"Bearer {key}"}, raise_request_exception=False)


@pytest.fixture
def client(tenant):
    return client_of(tenant, "query", "ingest")


@pytest.fixture
def outsider(tenant):
    return client_of(tenant, "query", "ingest", levels=["public"])


def file(name="guide.md", content=GUIDE):
    return SimpleUploadedFile(name, content)


def send(client, *files, **values):
    return client.post(URL, {"file": list(files), "access_level": "public"} | values)


def code(response) -> str:
    return response.json()["error"]["code"]


def test_upload_is_accepted_and_becomes_ready(tenant, client):
    response = send(client, file())
    assert response.status_code == 202
    (entry,) = response.json()["documents"]
    assert entry == {
        "id": entry["id"],
        "path": "guide.md",
        "status": "queued",
        "result": "new",
    }
    index_all(tenant)
    document = client.get(f"{URL}{entry['id']}/").json()
    assert document["status"] == "ready"
    assert document["title"] == "Boiling water"
    assert document["size_bytes"] == len(GUIDE)
    assert document["media_type"] == "text/markdown"
    assert document["error"] is None
    assert set(document) == {
        "id", "path", "title", "status", "stage", "access_level", "source", "media_type",
        "size_bytes", "page_count", "chunk_count", "token_count", "content_hash", "created_at",
        "indexed_at", "error",
    }  # fmt: skip


def test_upload_says_what_it_meant(tenant, client):
    def result(content=GUIDE, **values):
        return send(client, file(content=content), **values).json()["documents"][0]["result"]

    assert [result(), result(), result(b"Other."), result(b"Other.")] == [
        "new", "unchanged", "replaced", "unchanged",
    ]  # fmt: skip
    with tenant_context(tenant):
        shelf = Source.objects.create(name="Shelf", kind="upload")
    assert result(source=str(shelf.pk)) == "new"
    listed = client.get(URL, {"source": str(shelf.pk)}).json()["results"]
    assert [row["path"] for row in listed] == ["guide.md"]
    assert code(send(client, file(), source="mine")) == "invalid_request"
    assert code(send(client, file(), source=str(uuid.uuid4()))) == "bad_source"


def test_several_files_are_taken_each_by_itself(client):
    response = send(client, file("a.md"), file("empty.md", b""), file("b.md", b"Another text."))
    assert response.status_code == 202
    first, bad, last = response.json()["documents"]
    assert (first["path"], last["path"]) == ("a.md", "b.md")
    assert bad == {
        "path": "empty.md",
        "error": {"code": "empty", "message": "The file is empty: choose one with content."},
    }


def test_only_bad_files_are_an_error_with_each_reason(client):
    response = send(client, file("a.md", b""), file("b.md", b""))
    assert (response.status_code, code(response)) == (400, "empty")
    assert [each["path"] for each in response.json()["error"]["extra"]["documents"]] == [
        "a.md",
        "b.md",
    ]


def test_paths_are_given_in_the_order_of_the_files(client):
    response = send(client, file("a.md"), file("b.md", b"Two."), path=["x/a.md", "x/b.md"])
    assert [each["path"] for each in response.json()["documents"]] == ["x/a.md", "x/b.md"]
    assert code(send(client, file("a.md"), file("b.md"), path="x/a.md")) == "invalid_request"
    assert code(send(client, file(), path="../up.md")) == "bad_path"


def test_upload_without_a_file_says_so(client):
    assert code(client.post(URL, {"access_level": "public"})) == "invalid_request"
    assert (
        code(client.post(URL, {"file": "x"}, content_type="application/json")) == "invalid_request"
    )


def test_too_many_files_are_refused(client, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    response = send(client, *[file(f"{number}.md") for number in range(3)])
    assert (response.status_code, code(response)) == (413, "too_large")


def test_too_large_file_is_413(client, settings):
    settings.MAX_UPLOAD_BYTES = 100
    response = send(client, file(content=b"x" * 101))
    assert (response.status_code, code(response)) == (413, "too_large")


def test_wrong_access_levels_are_refused(client, outsider):
    assert code(send(client, file(), access_level="secret")) == "bad_access_level"
    assert code(client.post(URL, {"file": file()})) == "bad_access_level"
    response = send(outsider, file(), access_level="internal")
    assert (response.status_code, code(response)) == (403, "permission_denied")


def test_document_out_of_sight_does_not_exist(tenant, outsider):
    document = upload(tenant, access_level="internal")
    index_all(tenant)
    assert outsider.get(URL).json()["count"] == 0
    for method, path in [
        ("get", ""), ("delete", ""), ("get", "chunks/"), ("post", "retry/"),
    ]:  # fmt: skip
        response = getattr(outsider, method)(f"{URL}{document.pk}/{path}")
        assert (response.status_code, code(response)) == (404, "not_found")
    assert read(tenant, document).status == "ready"


def test_document_of_another_tenant_does_not_exist(tenant):
    stranger = client_of(create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}"), "query", "ingest")
    document = upload(tenant)
    assert stranger.get(f"{URL}{document.pk}/").status_code == 404
    assert stranger.delete(f"{URL}{document.pk}/").status_code == 404
    assert stranger.get(URL).json()["count"] == 0


def test_scopes_are_needed(tenant):
    reader, writer = client_of(tenant, "query"), client_of(tenant, "ingest")
    document = upload(tenant)
    for response in (
        send(reader, file()),
        reader.delete(f"{URL}{document.pk}/"),
        reader.post(f"{URL}{document.pk}/retry/"),
    ):
        assert (response.status_code, code(response)) == (403, "scope_missing")
    assert writer.get(f"{URL}{document.pk}/").status_code == 200
    assert Client().get(URL).status_code == 401


def test_list_is_filtered(tenant, client):
    upload(tenant, path="kettle.md")
    broken = upload(tenant, path="broken.pdf", content=b"%PDF-1.7 nothing follows")
    upload(tenant, path="pots.md", access_level="internal", content=b"# Pots and pans\n\nClean.")
    index_all(tenant)
    source = read(tenant, broken).source_id

    def paths(**query: str) -> list[str]:
        return sorted(row["path"] for row in client.get(URL, query).json()["results"])

    assert paths() == ["broken.pdf", "kettle.md", "pots.md"]
    assert paths(status="failed") == ["broken.pdf"]
    assert paths(access_level="internal") == ["pots.md"]
    assert paths(q="PANS") == ["pots.md"]
    assert paths(q="kett", status="ready") == ["kettle.md"]
    assert paths(error_code="corrupt") == ["broken.pdf"]
    assert len(paths(source=str(source))) == 3
    assert paths(source=str(uuid.uuid4())) == []
    for query in ({"status": "done"}, {"source": "mine"}, {"q": "\0"}):
        assert code(client.get(URL, query)) == "invalid_request"
    page = client.get(URL, {"page_size": "2"}).json()
    assert (page["count"], len(page["results"])) == (3, 2)


def test_chunks_are_listed_in_order(tenant, client):
    content = "\n\n".join(f"# Part {number}\n\n" + "Some words here. " * 60 for number in range(4))
    document = upload(tenant, content=content.encode())
    index_all(tenant)
    chunks = client.get(f"{URL}{document.pk}/chunks/").json()
    assert chunks["count"] == read(tenant, document).chunk_count > 3
    assert [each["ordinal"] for each in chunks["results"]] == list(range(chunks["count"]))
    assert set(chunks["results"][0]) == {
        "id", "ordinal", "text", "heading_path", "start_char", "end_char", "token_count",
        "access_level",
    }  # fmt: skip


def test_failed_document_carries_its_error_and_can_be_tried_again(tenant, client):
    document = upload(tenant, path="broken.pdf", content=b"%PDF-1.7 nothing follows")
    index_all(tenant)
    body = client.get(f"{URL}{document.pk}/").json()
    assert (body["status"], body["error"]["code"]) == ("failed", "corrupt")
    response = client.post(f"{URL}{document.pk}/retry/")
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    assert code(client.post(f"{URL}{document.pk}/retry/")) == "not_failed"


def test_document_is_deleted(tenant, client):
    document = upload(tenant)
    index_all(tenant)
    assert client.delete(f"{URL}{document.pk}/").status_code == 204
    assert client.get(f"{URL}{document.pk}/").status_code == 404
    assert client.get(URL).json()["count"] == 0


def test_list_does_not_add_queries_as_rows_grow(tenant, client):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(URL).status_code == 200
        return len(queries)

    upload(tenant)
    count()
    before = count()
    for number in range(10):
        upload(tenant, path=f"{number}.md")
    assert count() <= before


def test_openapi_has_the_routes(client):
    schema = Client().get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert {"get", "post"} <= set(schema["paths"][URL])
    assert "multipart/form-data" in schema["paths"][URL]["post"]["requestBody"]["content"]
