from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection

from ragadmin.errors import InvalidRequest, PermissionDenied
from retrieval.models import Chunk, Document, Source, TermFrequency
from retrieval.services import bulk
from retrieval.services.bulk import Action, Selection, change_documents
from tenants.context import tenant_context
from tenants.models import AuditEvent, DocumentJob, Tenant
from tenants.services import create_tenant
from tests.retrieval.documents import index_all, read, upload
from tests.retrieval.pages import make_document
from tests.retrieval.test_documents_api import client_of, code

URL = "/api/v1/documents/bulk/"
EVERYTHING = ("public", "internal")


@pytest.fixture
def client(tenant):
    return client_of(tenant, "query", "ingest")


def act(client, action, **body):
    return client.post(URL, {"action": action} | body, content_type="application/json")


def change(tenant, action, *, levels=EVERYTHING, ids=None, wanted=None, **values):
    chosen = Selection(levels, [row.pk for row in ids] if ids is not None else None, wanted or {})
    return change_documents(action, tenant=tenant, selection=chosen, actor="me", **values)


def paths(tenant):
    with tenant_context(tenant):
        return sorted(Document.objects.values_list("path", flat=True))


def synced(tenant, path="handbook.md", **values):
    with tenant_context(tenant):
        source, _ = Source.objects.get_or_create(name="Handbook", defaults={"kind": "folder"})
    document = make_document(tenant, path, **values)
    with tenant_context(tenant):
        Document.objects.filter(pk=document.pk).update(source=source)
    return document


def test_failed_documents_are_tried_again_and_no_others(tenant, client):
    bad = [make_document(tenant, f"{n}.md", status="failed", error_code="corrupt") for n in (1, 2)]
    good = make_document(tenant, "good.md")
    body = act(client, "retry", ids=[str(row.pk) for row in (*bad, good)]).json()
    assert body["done"] == 2
    assert body["left"] == 0
    assert [(each["id"], each["code"]) for each in body["refused"]] == [
        (str(good.pk), "not_failed")
    ]
    assert {read(tenant, row).status for row in bad} == {"queued"}
    assert read(tenant, bad[0]).error_code == ""
    assert DocumentJob.objects.filter(tenant=tenant).count() == 2
    assert act(client, "retry", filter={"status": "failed"}).json()["done"] == 0


def test_filter_takes_what_it_matches(tenant, client):
    for name, error in (("a.pdf", "corrupt"), ("b.pdf", "encrypted"), ("c.txt", "corrupt")):
        make_document(tenant, name, status="failed", error_code=error)
    answer = act(client, "retry", filter={"error_code": "corrupt", "q": "pdf"})
    assert answer.json() == {"done": 1, "refused": [], "refused_count": 0, "left": 0}
    with tenant_context(tenant):
        assert Document.objects.get(status="queued").path == "a.pdf"


def test_deleted_documents_leave_nothing(tenant, client):
    for name in ("a.md", "b.md"):
        upload(tenant, path=name, content=f"# {name}\n\nSome words of {name}.".encode())
    index_all(tenant)
    waiting = upload(tenant, path="c.md", content=b"Waiting words.")
    assert act(client, "delete", filter={}).json()["done"] == 3
    with tenant_context(tenant):
        assert not Document.every.exists()
        assert not Chunk.objects.exists()
        assert not TermFrequency.objects.filter(chunks__gt=0).exists()
    assert not DocumentJob.objects.filter(document_id=waiting.pk).exists()
    event = AuditEvent.objects.filter(tenant=tenant, action="documents.deleted").get()
    assert event.detail == {"documents": 3}


def test_what_a_source_brings_is_not_deleted_but_can_be_moved(tenant, client):
    mine, theirs = make_document(tenant, "mine.md"), synced(tenant)
    body = act(client, "delete", filter={}).json()
    assert (body["done"], body["refused_count"]) == (1, 1)
    assert body["refused"][0]["id"] == str(theirs.pk)
    assert body["refused"][0]["code"] == "synced"
    assert "Handbook" in body["refused"][0]["message"]
    assert paths(tenant) == ["handbook.md"]
    answer = client.delete(f"/api/v1/documents/{theirs.pk}/")
    assert (answer.status_code, code(answer)) == (409, "synced")
    moved = act(client, "set_access_level", ids=[str(theirs.pk)], access_level="internal").json()
    assert moved["done"] == 1
    assert read(tenant, theirs).access_level == "internal"
    assert mine.pk != theirs.pk


def test_passages_move_with_their_document_at_once(tenant):
    document = upload(tenant, access_level="internal")
    index_all(tenant)
    before = Tenant.objects.get(pk=tenant.pk).corpus_revision
    assert change(tenant, Action.SET_ACCESS_LEVEL, ids=[document], access_level="public").done == 1
    with tenant_context(tenant):
        assert set(Chunk.objects.values_list("access_level", flat=True)) == {"public"}
    assert Tenant.objects.get(pk=tenant.pk).corpus_revision == before + 1
    again = change(tenant, Action.SET_ACCESS_LEVEL, ids=[document], access_level="public")
    assert (again.done, again.refused_count) == (0, 0)
    assert Tenant.objects.get(pk=tenant.pk).corpus_revision == before + 1


def test_what_is_out_of_sight_is_never_touched(tenant):
    secret = make_document(tenant, "secret.md", access_level="internal", status="failed")
    plain = make_document(tenant, "plain.md", status="failed")
    outsider = client_of(tenant, "ingest", levels=["public"])
    for action, extra in (("retry", {}), ("set_access_level", {"access_level": "public"})):
        body = act(outsider, action, ids=[str(secret.pk)], **extra).json()
        assert (body["done"], body["refused"][0]["code"]) == (0, "not_found")
    assert act(outsider, "delete", filter={"access_level": "internal"}).json()["done"] == 0
    assert act(outsider, "delete", filter={}).json()["done"] == 1
    assert paths(tenant) == ["secret.md"]
    assert read(tenant, secret).status == "failed"
    assert plain.pk != secret.pk


def test_nothing_moves_to_a_level_that_the_caller_lacks(tenant):
    document = make_document(tenant)
    with pytest.raises(PermissionDenied):
        change(
            tenant,
            Action.SET_ACCESS_LEVEL,
            levels=["public"],
            ids=[document],
            access_level="internal",
        )
    with pytest.raises(InvalidRequest):
        change(tenant, Action.SET_ACCESS_LEVEL, ids=[document], access_level="secret")
    assert read(tenant, document).access_level == "public"


def test_documents_of_another_tenant_do_not_exist(tenant):
    stranger = client_of(create_tenant(slug=f"t-{uuid.uuid4().hex[:10]}"), "ingest")
    document = make_document(tenant, status="failed")
    for action, extra in (
        ("retry", {}), ("delete", {}), ("set_access_level", {"access_level": "internal"}),
    ):  # fmt: skip
        body = act(stranger, action, ids=[str(document.pk)], **extra).json()
        assert (body["done"], body["refused"][0]["code"]) == (0, "not_found")
    kept = read(tenant, document)
    assert (kept.status, kept.access_level) == ("failed", "public")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "burn", "ids": []},
        {"action": "delete"},
        {"action": "delete", "ids": [], "filter": {}},
        {"action": "delete", "ids": ["mine"]},
        {"action": "delete", "ids": [str(uuid.uuid4())] * 1001},
        {"action": "delete", "filter": {"state": "failed"}},
        {"action": "delete", "filter": {"source": "mine"}},
        {"action": "delete", "filter": {"q": "\0"}},
        {"action": "delete", "filter": "everything"},
        {"action": "set_access_level", "ids": []},
        {"action": "retry", "ids": [], "access_level": "public"},
        [],
    ],
)
def test_unclear_requests_change_nothing(tenant, client, body):
    make_document(tenant)
    answer = client.post(URL, body, content_type="application/json")
    assert (answer.status_code, code(answer)) == (400, "invalid_request")
    assert paths(tenant) == ["guide.md"]


def test_scope_ingest_is_needed(tenant):
    answer = act(client_of(tenant, "query"), "delete", filter={})
    assert (answer.status_code, code(answer)) == (403, "scope_missing")


def test_many_documents_take_few_statements(tenant, django_assert_max_num_queries):
    for number in range(60):
        make_document(tenant, f"{number}.md", status="failed")
    with django_assert_max_num_queries(40):
        assert change(tenant, Action.RETRY, wanted={"status": "failed"}).done == 60
    with django_assert_max_num_queries(40):
        assert change(tenant, Action.DELETE).done == 60


def test_a_call_that_runs_out_of_time_says_what_is_left_and_is_made_again(tenant, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_DOCUMENTS", 2)
    for number in range(5):
        make_document(tenant, f"{number}.md")
    first = change(tenant, Action.DELETE, seconds=0)
    assert (first.done, first.left) == (2, 3)
    second = change(tenant, Action.DELETE)
    assert (second.done, second.left) == (3, 0)


def test_two_at_once_share_the_work(tenant):
    for number in range(20):
        make_document(tenant, f"{number}.md", chunks=1)
    done = []

    def work():
        done.append(change(tenant, Action.DELETE).done)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 20
    assert paths(tenant) == []
