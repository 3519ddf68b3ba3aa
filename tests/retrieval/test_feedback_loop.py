"""From a thumbs-down to the corrected answer: diagnosed, fixed by a document, asked again, told."""

from __future__ import annotations

from uuid import uuid4

import pytest

from retrieval.again import ask_again
from retrieval.diagnosis import diagnose_waiting
from retrieval.models import Document, Feedback, QueryTrace
from retrieval.services.review import resolve, start_again
from retrieval.tasks import dispatch_diagnoses
from tenants.context import tenant_context
from tenants.keys import create_api_key
from tenants.models import Tenant
from tests.documents import upload_and_index
from tests.retrieval.lost_answers import asked, caller_of, feedback_of, rated_down
from tests.retrieval.pages import make_trace, sign_in

QUESTION = "Where can I park my car?"
PARKING = "# Parking\n\nPark your car in the yard behind the hotel.\n"
NOTICE = "An answer you rated down was corrected"


@pytest.fixture
def member(tenant):
    return sign_in(tenant, role="member", levels=["public"])


@pytest.fixture
def corrected(tenant, member):
    """The whole loop, without a browser: nothing known, a document written, asked again, fixed."""
    trace_id = asked(caller_of(tenant, "public", user_id=member.user.pk), QUESTION)
    rated_down(tenant, trace_id, "not_found", by=member.user.email)
    diagnose_waiting(tenant)
    assert feedback_of(tenant, trace_id).diagnosis == "not_in_corpus"
    upload_and_index(tenant, {"parking.md": ("public", PARKING)})
    with tenant_context(tenant):
        start_again(trace_id)
    ask_again(tenant, trace_id)
    with tenant_context(tenant):
        resolve([trace_id], "fixed", by="admin")
    return trace_id


def test_whoever_rated_is_told_of_the_corrected_answer_once(tenant, member, corrected):
    base = f"/t/{tenant.slug}/"
    assert NOTICE in member.get(f"{base}playground/").content.decode()
    assert NOTICE in member.get(base).content.decode()
    page = member.get(f"{base}traces/{corrected}/corrected/").content.decode()
    assert "in the yard behind the hotel" in page
    assert feedback_of(tenant, corrected).seen_at is not None
    assert NOTICE not in member.get(f"{base}playground/").content.decode()


def test_nobody_else_is_told_of_it(tenant, corrected):
    for other in (sign_in(tenant, role="member", levels=["public"]), sign_in(tenant)):
        assert NOTICE not in other.get(f"/t/{tenant.slug}/playground/").content.decode()
        address = f"/t/{tenant.slug}/traces/{corrected}/corrected/"
        assert other.get(address).status_code == 404


def test_nobody_is_told_of_an_answer_that_rests_on_what_they_may_not_read(
    tenant, member, corrected
):
    with tenant_context(tenant):
        Document.objects.update(access_level="internal")
    assert NOTICE not in member.get(f"/t/{tenant.slug}/playground/").content.decode()
    address = f"/t/{tenant.slug}/traces/{corrected}/corrected/"
    assert member.get(address).status_code == 404


def test_nobody_is_told_of_a_new_answer_that_found_nothing(tenant, member, corrected):
    new = feedback_of(tenant, corrected).new_trace_id
    with tenant_context(tenant):
        QueryTrace.objects.filter(pk=new).update(abstained=True)
    assert NOTICE not in member.get(f"/t/{tenant.slug}/playground/").content.decode()


def test_the_new_answer_is_the_askers_own_and_past_the_cache(tenant, member, corrected):
    with tenant_context(tenant):
        old = QueryTrace.objects.get(pk=corrected)
        new = QueryTrace.objects.get(pk=feedback_of(tenant, corrected).new_trace_id)
    assert (new.user_id, new.asked_by) == (old.user_id, old.asked_by)
    assert (new.question, new.access_levels, new.cache) == (QUESTION, ["public"], "none")


def test_ratings_are_found_through_the_api_with_what_came_of_them(tenant, client, corrected):
    def get(path, *scopes):
        _, key = create_api_key(
            tenant=tenant, name=uuid4().hex, scopes=scopes, access_levels=["public"]
        )
        headers = {"authorization": f"Bearer {key}"}
        return client.get(f"/api/v1/answers/{path}", headers=headers).json()

    (found,) = get("?rating=down", "query", "admin")["results"]
    assert found["id"] == str(corrected)
    assert found["feedback"]["status"] == "fixed"
    assert found["feedback"]["diagnosis"] == "not_in_corpus"
    assert "Write a document" in found["feedback"]["diagnosis_detail"]["fix"]
    new = get(f"{found['feedback']['new_answer_id']}/", "query", "admin")
    assert "in the yard" in new["answer"]


def test_a_key_that_rated_learns_of_the_new_answer_and_is_known_to(tenant, client):
    row, key = create_api_key(tenant=tenant, name="bot", scopes=["query"], access_levels=["public"])
    old, new = (make_trace(tenant, api_key_id=row.pk) for _ in range(2))
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    address = f"/api/v1/answers/{old.pk}/"
    client.post(f"{address}feedback/", {"rating": "down"}, content_type="application/json")
    with tenant_context(tenant):
        Feedback.objects.filter(pk=old.pk).update(new_trace_id=new.pk, status="fixed")
    assert feedback_of(tenant, old.pk).seen_at is None
    assert client.get(address).json()["feedback"]["new_answer_id"] == str(new.pk)
    assert client.get(f"/api/v1/answers/{new.pk}/").json()["answer"]
    assert feedback_of(tenant, old.pk).seen_at is not None


def test_only_admins_learn_of_a_diagnosis(tenant, client):
    row, key = create_api_key(
        tenant=tenant, name="asker", scopes=["query"], access_levels=["public"]
    )
    trace = make_trace(tenant, api_key_id=row.pk)
    rated_down(tenant, trace.pk, by="asker")
    found = client.get(
        f"/api/v1/answers/{trace.pk}/", headers={"authorization": f"Bearer {key}"}
    ).json()
    assert found["feedback"]["status"] == "open"
    assert not {"diagnosis", "diagnosis_detail"} & set(found["feedback"])


def test_a_rating_marks_its_tenant_until_it_is_diagnosed(tenant):
    trace = make_trace(tenant, question=QUESTION)
    rated_down(tenant, trace.pk)
    marked = Tenant.objects.filter(pk=tenant.pk, undiagnosed_at__isnull=False)
    assert marked.exists()
    assert diagnose_waiting(tenant) == 1
    assert not marked.exists()


def test_one_that_cannot_be_diagnosed_keeps_no_other_from_its_turn(tenant):
    good, odd = make_trace(tenant, question=QUESTION), make_trace(tenant, citations=[{}])
    for trace in (good, odd):
        rated_down(tenant, trace.pk)
    assert diagnose_waiting(tenant) == 1
    assert feedback_of(tenant, good.pk).diagnosis == "not_in_corpus"
    assert Tenant.objects.get(pk=tenant.pk).undiagnosed_at is not None


def test_looking_for_what_to_diagnose_does_not_visit_idle_tenants(
    tenant, django_assert_num_queries
):
    Tenant.objects.update(undiagnosed_at=None)
    with django_assert_num_queries(1):
        dispatch_diagnoses()


def test_while_the_embedder_is_away_the_answer_waits_for_its_diagnosis(tenant, settings):
    trace = make_trace(tenant, question=f"Where is {uuid4().hex}?")
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"
    Tenant.objects.filter(pk=tenant.pk).update(embedding_model="openai:away")
    rated_down(tenant, trace.pk)
    assert diagnose_waiting(tenant) == 0
    assert feedback_of(tenant, trace.pk).diagnosed_at is None
    assert Tenant.objects.get(pk=tenant.pk).undiagnosed_at is not None
