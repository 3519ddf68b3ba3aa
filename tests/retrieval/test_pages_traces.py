from __future__ import annotations

import uuid

import pytest

from retrieval.models import Document, Feedback
from tenants.context import tenant_context
from tests.retrieval.pages import citation, hit, make_document, make_trace, sign_in

SPANS = [
    {"kind": "search", "start_ms": 2.0, "duration_ms": 20.0, "hits": 5},
    {"kind": "generate", "start_ms": 22.0, "duration_ms": 78.0},
]


@pytest.fixture
def owner(tenant):
    return sign_in(tenant)


@pytest.fixture
def member(tenant):
    return sign_in(tenant, role="member", levels=["public"])


@pytest.fixture
def url(tenant):
    return f"/t/{tenant.slug}/traces/"


def test_list_without_traces_leads_to_the_playground(owner, url):
    page = owner.get(url).content.decode()
    assert "Nothing asked yet" in page
    assert "/playground/" in page


def test_member_sees_their_own_traces_only(owner, member, url, tenant):
    make_trace(tenant, user=member.user, question="Mine?")
    other = make_trace(tenant, user=owner.user, question="Theirs?")
    page = member.get(url).content.decode()
    assert "Mine?" in page
    assert "Theirs?" not in page
    assert member.get(f"{url}{other.id}/").status_code == 404
    assert "Mine?" in owner.get(url).content.decode()


def test_list_is_filtered_by_words_rating_status_and_days(owner, url, tenant):
    rated = make_trace(tenant, question="Which kettle?")
    make_trace(tenant, question="Which cup?", status="failed")
    with tenant_context(tenant):
        Feedback.objects.create(trace=rated, rating="down")
    for query in ("q=KETTLE", "rating=down", "status=succeeded"):
        page = owner.get(f"{url}?{query}&days=1").content.decode()
        assert "Which kettle?" in page
        assert "Which cup?" not in page
    assert "Which cup?" in owner.get(f"{url}?rating=none&days=nonsense").content.decode()
    assert "No trace matches" in owner.get(f"{url}?q=milk").content.decode()


def test_list_is_filtered_by_cache(owner, url, tenant):
    make_trace(tenant, question="Which kettle?", cache="semantic")
    make_trace(tenant, question="Which cup?")
    for wanted, shown, hidden in (
        ("semantic", "kettle", "cup"), ("any", "kettle", "cup"), ("none", "cup", "kettle"),
    ):  # fmt: skip
        page = owner.get(f"{url}?cache={wanted}").content.decode()
        assert f"Which {shown}?" in page
        assert f"Which {hidden}?" not in page
    assert "No trace matches" in owner.get(f"{url}?cache=exact").content.decode()


def test_trace_shows_answer_sources_spans_and_hits(owner, url, tenant):
    document = make_document(tenant)
    trace = make_trace(
        tenant,
        citations=[citation(document, 7)],
        hits=[hit(document, 7)],
        spans=SPANS,
        duration_ms=100.0,
        model="small",
    )
    page = owner.get(f"{url}{trace.id}/").content.decode()
    assert "The kettle. [1]" in page
    assert f"/documents/{document.id}/?chunk=7#chunk-7" in page
    assert "Where the time went" in page
    assert 'width="78.00"' in page


def test_unknown_price_is_called_unknown_and_not_nothing(owner, url, tenant):
    trace = make_trace(tenant, cost_usd={"generation": None}, total_cost_usd=None)
    page = owner.get(f"{url}{trace.id}/").content.decode()
    assert "unknown" in page


def test_failed_trace_shows_its_error(owner, url, tenant):
    trace = make_trace(
        tenant, answer="", status="failed", error_code="model_timeout", error_message="Too slow."
    )
    page = owner.get(f"{url}{trace.id}/").content.decode()
    assert "Too slow." in page
    assert "model_timeout" in page


def test_answer_from_above_the_levels_of_an_admin_is_withheld(url, tenant):
    admin = sign_in(tenant, role="admin", levels=["public"])
    secret = make_document(tenant, "secret.md", access_level="internal")
    trace = make_trace(
        tenant, answer="The secret.", hits=[hit(secret)], citations=[citation(secret)]
    )
    page = admin.get(f"{url}{trace.id}/").content.decode()
    assert "The secret." not in page
    assert "secret.md" not in page
    assert "above your access levels" in page


def test_answer_is_withheld_once_a_document_of_it_is_raised(member, url, tenant):
    document = make_document(tenant)
    trace = make_trace(tenant, user=member.user, hits=[hit(document)], answer="The text.")
    assert "The text." in member.get(f"{url}{trace.id}/").content.decode()
    with tenant_context(tenant):
        Document.objects.filter(pk=document.pk).update(access_level="internal")
    assert "The text." not in member.get(f"{url}{trace.id}/").content.decode()


def test_answer_that_may_repeat_what_was_said_before_is_withheld_like_it(url, tenant):
    admin = sign_in(tenant, role="admin", levels=["public"])
    said = {"access_levels": ["public", "internal"], "answer": "The secret.", "hits": []}
    for route, is_seen in (({}, True), ({"asked": {"history": True}}, False)):
        trace = make_trace(tenant, route=route, **said)
        assert ("The secret." in admin.get(f"{url}{trace.id}/").content.decode()) is is_seen


def test_source_that_was_deleted_is_named_but_not_linked(owner, url, tenant):
    document = make_document(tenant)
    trace = make_trace(tenant, hits=[hit(document)], citations=[citation(document)])
    with tenant_context(tenant):
        document.delete()
    page = owner.get(f"{url}{trace.id}/").content.decode()
    assert "deleted since" in page
    assert "?chunk=" not in page


def test_unknown_trace_is_not_found(owner, url):
    assert owner.get(f"{url}{uuid.uuid4()}/").status_code == 404
