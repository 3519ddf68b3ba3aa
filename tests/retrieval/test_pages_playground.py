from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from retrieval.models import Conversation
from retrieval.suggestions import suggest_questions
from tenants.context import tenant_context
from tests.retrieval.pages import hit, make_chunk, make_document, make_trace, sign_in


@pytest.fixture
def member(tenant):
    return sign_in(tenant, role="member", levels=["public"])


@pytest.fixture
def url(tenant):
    return f"/t/{tenant.slug}/playground/"


def converse(tenant, user, question="What whistles?", **values):
    with tenant_context(tenant):
        conversation = Conversation.objects.create(user_id=user.pk)
    return make_trace(tenant, user=user, question=question, conversation=conversation, **values)


def earlier_turns(page):
    found = re.search(r'<script id="earlier-turns" type="application/json">(.*?)</script>', page)
    return json.loads(found[1])


def test_without_documents_an_owner_is_led_to_upload(tenant, url):
    assert "Upload documents" in sign_in(tenant).get(url).content.decode()


def test_without_documents_a_member_is_told_who_uploads(member, url):
    page = member.get(url).content.decode()
    assert "An admin of this tenant uploads" in page
    assert "Upload documents" not in page


def test_questions_are_made_from_headings_the_person_may_see(tenant, member, url):
    for path, level in (("Kettles", "public"), ("Salaries", "internal")):
        document = make_document(tenant, path, access_level=level, chunk_count=1)
        with tenant_context(tenant):
            make_chunk(document, 0, heading_path=f"{path} > 1.2 Whistling")
    page = member.get(url).content.decode()
    assert "What does “Kettles” say about “Whistling”?" in page
    assert "Salaries" not in page
    assert "Salaries" in sign_in(tenant).get(url).content.decode()


def test_questions_are_the_same_each_time_and_at_most_six(tenant):
    for number in range(4):
        document = make_document(tenant, f"{number}.md", chunk_count=3)
        with tenant_context(tenant):
            for ordinal, heading in enumerate(("Overview", f"Part {number}", "How long?")):
                make_chunk(document, ordinal, heading_path=heading)
    with tenant_context(tenant):
        questions = suggest_questions(["public"])
        assert questions == suggest_questions(["public"])
    assert len(questions) == 6
    assert not any("Overview" in question for question in questions)


def test_unready_documents_suggest_nothing(tenant):
    make_document(tenant, chunks=1, status="indexing")
    with tenant_context(tenant):
        assert suggest_questions(["public"]) == []


def test_conversations_are_listed_for_their_person_only(tenant, member, url):
    converse(tenant, member.user, "Mine?")
    converse(tenant, sign_in(tenant).user, "Theirs?")
    page = member.get(url).content.decode()
    assert "Mine?" in page
    assert "Theirs?" not in page


def test_conversation_can_be_opened_again(tenant, member, url):
    trace = converse(tenant, member.user)
    page = member.get(f"{url}?conversation={trace.conversation_id}").content.decode()
    (turn,) = earlier_turns(page)
    assert f'id="turn-{turn["id"]}"' in page
    assert "What whistles?" in page
    assert turn["answer"] == "The kettle. [1]"


def test_opened_conversation_withholds_what_the_person_may_no_longer_read(tenant, member, url):
    secret = make_document(tenant, access_level="internal")
    trace = converse(tenant, member.user, hits=[hit(secret)])
    page = member.get(f"{url}?conversation={trace.conversation_id}").content.decode()
    (turn,) = earlier_turns(page)
    assert turn["withheld"] is True
    assert turn["answer"] == ""


def test_a_trace_is_asked_again_with_all_that_it_was_asked_with(tenant, member, url):
    asked = {"top_k": 3, "filters": {"source": "<b>"}, "settings": {"search_mode": "vector"}}
    trace = make_trace(tenant, user=member.user, route={"asked": asked | {"stop": ["."]}})
    owner = sign_in(tenant)
    for browser, options in ((owner, asked), (member, asked | {"settings": {}})):
        answer = browser.get(f"{url}?again={trace.pk}")
        assert answer.context["options"] == {name: each for name, each in options.items() if each}
        assert answer.context["question"] == trace.question
        assert "Only the source</span> <span>&lt;b&gt;" in answer.content.decode()
    trace_page = owner.get(f"/t/{tenant.slug}/traces/{trace.pk}/").content.decode()
    for words in ("Passages asked for</dt><dd>3", "Meaning only (vectors)", f"?again={trace.pk}"):
        assert words in trace_page
    other = make_trace(tenant, user=owner.user)
    assert member.get(f"{url}?again={other.pk}").status_code == 404


def test_conversation_of_somebody_else_is_not_found(tenant, member, url):
    trace = converse(tenant, sign_in(tenant).user)
    for name in (trace.conversation_id, uuid.uuid4(), "nonsense"):
        assert member.get(f"{url}?conversation={name}").status_code == 404


def test_conversations_are_grouped_by_the_days_of_the_tenant(tenant, member, url):
    for days, question in ((0, "New?"), (1, "Older?"), (40, "Oldest?")):
        trace = converse(tenant, member.user, question)
        asked_at = timezone.now() - timedelta(days=days)
        with tenant_context(tenant):
            Conversation.objects.filter(pk=trace.conversation_id).update(created_at=asked_at)
    page = member.get(url).content.decode()
    places = [page.index(words) for words in ("Today", "New?", "Yesterday", "Older?", "Oldest?")]
    assert places == sorted(places)


def test_a_deleted_conversation_leaves_its_traces_without_it(tenant, member, url):
    trace = converse(tenant, member.user, "Mine?")
    address = f"{url}conversations/{trace.conversation_id}/delete/"
    answer = member.post(address, HTTP_HX_REQUEST="true")
    assert "Mine?" not in answer.content.decode()
    with tenant_context(tenant):
        assert not Conversation.objects.filter(pk=trace.conversation_id).exists()
        trace.refresh_from_db()
    assert trace.conversation_id is None


def test_deleting_the_open_conversation_leads_to_a_new_one(tenant, member, url):
    trace = converse(tenant, member.user)
    address = f"{url}conversations/{trace.conversation_id}/delete/"
    answer = member.post(address, {"open": str(trace.conversation_id)}, HTTP_HX_REQUEST="true")
    assert answer["HX-Redirect"] == url


def test_a_conversation_of_somebody_else_cannot_be_deleted(tenant, member, url):
    trace = converse(tenant, sign_in(tenant).user)
    assert member.post(f"{url}conversations/{trace.conversation_id}/delete/").status_code == 404
    with tenant_context(tenant):
        assert Conversation.objects.filter(pk=trace.conversation_id).exists()


def test_the_list_is_read_with_the_same_queries_however_long_it_is(tenant, member, url):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            member.get(f"{url}conversations/")
        return len(queries)

    converse(tenant, member.user)
    few = count()
    for _ in range(5):
        converse(tenant, member.user)
    assert count() == few


def test_stranger_finds_nothing(url):
    assert sign_in().get(url).status_code == 404
