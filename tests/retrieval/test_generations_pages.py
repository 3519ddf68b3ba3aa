"""The page and the API by which a tenant's model and chunk size are changed."""

from __future__ import annotations

import pytest
from django.test import Client

from retrieval.indexing import reindex
from retrieval.services.reindex import start_reindex
from tenants.keys import create_api_key
from tenants.models import AuditEvent, DocumentJob, Tenant
from tests.retrieval.documents import upload
from tests.retrieval.pages import sign_in
from tests.retrieval.reindexing import LOCAL, fresh, index_all, jobs, other_model, stub_model

PART = {"HX-Request": "true", "HX-Target": "reindex"}


@pytest.fixture(scope="module", autouse=True)
def stub(services, django_db_setup):
    with stub_model(services["folder"]):
        yield


@pytest.fixture
def indexed(tenant):
    DocumentJob.objects.all().delete()
    upload(tenant)
    upload(
        tenant, path="odd.md", content=b"# Odd\n\nThis is unembeddable.", access_level="internal"
    )
    index_all()
    return fresh(tenant)


@pytest.fixture
def admin(indexed):
    return sign_in(indexed, role="admin", levels=["public", "internal"])


def url(tenant, end="") -> str:
    return f"/t/{tenant.slug}/settings/indexing/{end}"


def test_settings_lead_to_the_page(admin, indexed):
    page = admin.get(f"/t/{indexed.slug}/settings/").content.decode()
    assert url(indexed) in page
    page = admin.get(url(indexed)).content.decode()
    assert LOCAL in page
    assert 'id="reindex"' not in page


def test_estimate_changes_nothing_and_says_what_it_takes(admin, indexed):
    page = admin.post(url(indexed), {"chunk_tokens": 100, "embedding_model": LOCAL})
    text = page.content.decode()
    assert "Re-index 2 documents" in text
    assert "none: the model runs on this installation" in text
    assert (fresh(indexed).next_generation, jobs(indexed)) == (None, 0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"chunk_tokens": 10}, "greater than or equal to 50"),
        ({"chunk_tokens": ""}, "required"),
        ({"embedding_model": "nobody:knows"}, "is not known"),
        ({"embedding_model": "openai:mock-embedding-0-20001"}, "too long"),
        ({}, "in use already"),
    ],
)
def test_bad_settings_are_explained(admin, indexed, values, said):
    data = {"chunk_tokens": indexed.chunk_tokens, "embedding_model": LOCAL} | values
    page = admin.post(url(indexed), data)
    assert page.status_code == 200
    assert said in page.content.decode()
    assert 'id="estimate"' not in page.content.decode()


def test_confirmed_change_is_begun_watched_and_cancelled(admin, indexed):
    data = {"chunk_tokens": 100, "embedding_model": other_model()}
    assert admin.post(url(indexed, "start/"), data).status_code == 302
    assert (fresh(indexed).next_chunk_tokens, jobs(indexed)) == (100, 2)
    event = AuditEvent.objects.get(tenant=indexed, action="tenant.reindex_started")
    assert event.actor == admin.user.email
    part = admin.get(url(indexed), headers=PART).content.decode()
    assert "of 2 documents done" in part
    assert "every 3s" in part
    assert "<html" not in part
    admin.post(url(indexed, "cancel/"))
    assert (fresh(indexed).next_generation, jobs(indexed)) == (None, 0)
    ended = admin.get(url(indexed), headers=PART)
    assert ended.headers["HX-Refresh"] == "true"
    assert "Cancelled" in admin.get(url(indexed)).content.decode()


@pytest.fixture
def stuck(indexed):
    model = other_model(refusing=True)
    start_reindex(tenant=indexed, actor="someone", embedding_model=model)
    index_all()
    return fresh(indexed)


def test_failed_documents_are_listed_for_those_who_may_see_them(admin, stuck):
    part = admin.get(url(stuck), headers=PART).content.decode()
    assert "odd.md" in part
    assert "Switch without the 1 that fails" in part
    other = sign_in(stuck, role="admin", levels=["public"])
    part = other.get(url(stuck), headers=PART).content.decode()
    assert "odd.md" not in part
    assert "and 1 more" in part


def test_failed_documents_are_tried_again_or_left_out(admin, stuck):
    admin.post(url(stuck, "retry/"))
    assert jobs(stuck) == 1
    index_all()
    admin.post(url(stuck, "switch/"))
    assert fresh(stuck).generation == 2
    assert "without 1 document that failed" in admin.get(url(stuck)).content.decode()


@pytest.mark.parametrize("end", ["start/", "cancel/", "retry/", "switch/"])
def test_only_admins_change_how_documents_are_indexed(indexed, end):
    member = sign_in(indexed, role="member")
    assert member.post(url(indexed, end)).status_code == 403
    assert member.get(url(indexed)).status_code == 403
    assert sign_in().post(url(indexed, end)).status_code == 404
    assert sign_in().get(url(indexed)).status_code == 404


def test_nothing_goes_on_is_no_error(admin, indexed):
    for end in ("cancel/", "retry/", "switch/"):
        assert admin.post(url(indexed, end), follow=True).status_code == 200
    assert fresh(indexed).generation == 1


@pytest.fixture
def patch(indexed):
    _, key = create_api_key(tenant=None, name="fleet", scopes=["operator"])
    headers = {"Authorization": f"Bearer {key}"}

    def call(**body):
        path = f"/api/v1/tenants/{indexed.slug}/"
        return Client().patch(path, body, "application/json", headers=headers)

    return call


def test_api_begins_a_reindex_instead_of_changing_the_row(patch, indexed):
    model = other_model()
    body = patch(chunk_tokens=100, embedding_model=model, top_k=7).json()
    assert (body["chunk_tokens"], body["embedding_model"], body["top_k"]) == (220, LOCAL, 7)
    assert (body["next"]["chunk_tokens"], body["next"]["embedding_model"]) == (100, model)
    index_all()
    assert patch().json()["chunk_tokens"] == 100
    assert patch().json()["next"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"embedding_model": "nobody:knows", "top_k": 7},
        {"chunk_tokens": 10, "top_k": 7},
        {"chunk_tokens": 100, "top_k": 700},
    ],
)
def test_api_refuses_all_of_a_change_of_which_a_part_is_wrong(patch, indexed, body):
    assert patch(**body).status_code == 400
    after = Tenant.objects.get(pk=indexed.pk)
    assert (after.top_k, after.next_generation) == (5, None)


def test_a_new_index_waits_to_be_tried_and_is_switched_by_hand(admin, indexed):
    values = {"chunk_tokens": 100, "embedding_model": LOCAL, "hold": "on"}
    admin.post(url(indexed, "start/"), values)
    index_all()
    waiting = fresh(indexed)
    assert (waiting.next_generation, waiting.generation) == (2, 1), "complete, and not switched"
    page = admin.get(url(indexed)).content.decode()
    assert "waits for you" in page and "next_index=on" in page
    assert not reindex.tend(waiting)
    admin.post(url(indexed, "hold/"), {})
    assert (fresh(indexed).generation, fresh(indexed).next_is_held) == (2, False)
