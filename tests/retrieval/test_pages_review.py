"""The review of thumbs-down: who sees what of it, and what can be done about an answer."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.utils import timezone

from retrieval.models import Feedback, GoldenQuestion, QueryTrace
from retrieval.review_list import ROWS_OF_ONE
from tenants.context import tenant_context
from tenants.services import create_tenant
from tests.retrieval.lost_answers import feedback_of, rated_down
from tests.retrieval.pages import make_document, make_trace, sign_in


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return create_tenant(slug=f"review-{uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def people(shop, django_db_blocker):
    with django_db_blocker.unblock():
        return {
            "owner": sign_in(shop, role="owner", levels=["public", "internal"]),
            "outsider": sign_in(shop, role="admin", levels=["public"]),
            "member": sign_in(shop, role="member", levels=["public"]),
        }


@pytest.fixture(autouse=True)
def nothing_before(shop):
    with tenant_context(shop):
        QueryTrace.objects.all().delete()
        GoldenQuestion.objects.all().delete()


@pytest.fixture
def lost(shop, people):
    """An answer that was rated down, and diagnosed as told."""

    def make(question, diagnosis="", document=None, *, reason="", comment="", **values):
        user = people["member"].user
        trace = make_trace(shop, user=user, question=question, **values)
        rated_down(shop, trace.pk, reason, comment, by=user.email)
        detail = {"explanation": f"Why: {document.path}", "fix": "Do it."} if document else {}
        if document:
            detail |= {
                "document_id": str(document.pk),
                "chunk_id": 1,
                "path": document.path,
                "access_level": document.access_level,
            }
        if diagnosis:
            with tenant_context(shop):
                Feedback.objects.filter(trace=trace).update(
                    diagnosis=diagnosis, diagnosis_detail=detail, diagnosed_at=trace.created_at
                )
        return trace.pk

    return make


def page(shop, browser, path="", **query):
    found = browser.get(f"/t/{shop.slug}/feedback/{path}", query)
    assert found.status_code == 200, found.status_code
    return found.content.decode()


def post(shop, browser, path, **form):
    return browser.post(f"/t/{shop.slug}/feedback/{path}", form)


def test_the_queue_is_for_admins(shop, people, lost):
    trace_id = lost("What whistles?")
    for path in ("", "gaps/", f"{trace_id}/"):
        assert people["member"].get(f"/t/{shop.slug}/feedback/{path}").status_code == 403
    assert post(shop, people["member"], f"{trace_id}/status/", status="fixed").status_code == 403
    assert feedback_of(shop, trace_id).status == "open"


def test_answers_stand_under_the_document_that_would_have_answered_most_first(shop, people, lost):
    guide = make_document(shop, f"{uuid4().hex}.md")
    lost("Who knows?", "not_in_corpus")
    lost("What whistles?", "ignored", guide)
    lost("What boils?", "ranked_out", guide)
    text = page(shop, people["owner"])
    assert text.index(guide.path) < text.index("Nothing in the documents")
    assert text.index("What boils?") < text.index("What whistles?") < text.index("Who knows?")


def test_what_is_above_an_admins_level_has_no_name_for_them(shop, people, lost):
    secret = make_document(shop, f"secret-{uuid4().hex}.md", access_level="internal")
    trace_id = lost("On which day is payday?", "ignored", secret)
    listed, item = page(shop, people["outsider"]), page(shop, people["outsider"], f"{trace_id}/")
    assert "Documents you may not read" in listed
    assert "a document you may not read" in item
    assert secret.path not in listed + item
    assert str(secret.pk) not in listed + item
    assert secret.path in page(shop, people["owner"], f"{trace_id}/")


def test_what_neither_asker_nor_reader_may_read_is_to_the_reader_as_if_it_were_not_there(
    shop, people, lost
):
    secret = make_document(shop, f"secret-{uuid4().hex}.md", access_level="internal")
    found = [lost("Payday?", "not_in_corpus"), lost("Payday?", "not_permitted", secret)]
    with tenant_context(shop):
        Feedback.objects.filter(pk=found[0]).update(
            diagnosis_detail={"document_id": None, "evidence": 0.4, "needed": 0.55}
        )
    outsider, owner = people["outsider"], people["owner"]

    def item(trace_id):
        text = page(shop, outsider, f"{trace_id}/").replace(str(trace_id), "")
        return re.sub(r"\b[A-Za-z0-9]{64}\b", "a token", text)

    assert item(found[0]) == item(found[1])
    listed = page(shop, outsider)
    assert "Above the asker" not in listed.replace('<option value="not_permitted"', "")
    assert "2 answers" in listed
    assert "No feedback matches" in page(shop, outsider, diagnosis="not_permitted")
    assert "No feedback matches" in page(shop, outsider, document=str(secret.pk))
    for trace_id in found:
        post(shop, outsider, f"{trace_id}/golden/")
    with tenant_context(shop):
        assert not GoldenQuestion.objects.filter(must_abstain=True).exists()
    assert secret.path in page(shop, owner, diagnosis="not_permitted")
    assert "Evidence 0.40" in page(shop, owner, f"{found[0]}/")


def test_every_answer_of_a_group_is_on_one_of_its_pages(shop, people):
    now = timezone.now()
    traces = [
        QueryTrace(question=f"Question {n:02}?", access_levels=["public"], status="succeeded")
        for n in range(ROWS_OF_ONE + 2)
    ]
    with tenant_context(shop):
        QueryTrace.objects.bulk_create(traces)
        Feedback.objects.bulk_create(
            Feedback(trace=trace, rating="down", diagnosis="not_in_corpus", diagnosed_at=now)
            for trace in traces
        )
    pages = [page(shop, people["owner"], document="none", page=n) for n in (1, 2)]
    shown = [re.findall(r"review-question[^>]+>(Question \d\d\?)", text) for text in pages]
    assert [len(each) for each in shown] == [ROWS_OF_ONE, 2]
    assert len({*shown[0], *shown[1]}) == len(traces)


def test_the_address_filters(shop, people, lost):
    guide = make_document(shop, f"{uuid4().hex}.md")
    lost("What whistles?", "ignored", guide, reason="wrong", comment="It is the pot.")
    lost("What boils?", "not_in_corpus", reason="outdated")
    fixed = lost("Is it done?", "ignored", guide)
    post(shop, people["owner"], f"{fixed}/status/", status="fixed")
    filters = {
        "What whistles?": [
            {"q": "pot"},
            {"diagnosis": "ignored"},
            {"reason": "wrong"},
            {"document": str(guide.pk)},
        ],
        "What boils?": [{"q": "BOILS"}, {"reason": "outdated"}, {"document": "none"}],
        "Is it done?": [{"status": "fixed"}],
    }
    for question, queries in filters.items():
        for query in queries:
            shown = page(shop, people["owner"], **query)
            assert [each for each in filters if each in shown] == [question], query


@pytest.mark.parametrize("query", [{"status": "odd"}, {"document": "x' OR 1"}, {"q": "a\0b"}])
def test_a_filter_that_means_nothing_is_no_error(shop, people, lost, query):
    lost("What whistles?", "not_in_corpus")
    page(shop, people["owner"], **query)


def test_states_without_feedback_and_without_a_match_differ(shop, people, lost):
    assert "No answer was rated down" in page(shop, people["owner"])
    lost("What whistles?", "not_in_corpus")
    assert "No feedback matches" in page(shop, people["owner"], q="zebra")


def test_several_are_dismissed_at_once_and_the_undo_brings_them_back(shop, people, lost):
    ids = [str(lost(f"Question {n}?", "not_in_corpus")) for n in range(3)]
    post(shop, people["owner"], f"{ids[0]}/status/", status="fixed")
    answer = post(shop, people["owner"], "change/?status=all", id=ids[:2], status="dismissed")
    text = answer.content.decode()
    assert "Dismissed: 2 answers." in text
    assert [feedback_of(shop, each).status for each in ids] == ["dismissed", "dismissed", "open"]
    was = re.findall(r'name="was" value="([^"]+)"', text)
    post(shop, people["owner"], "change/", was=was)
    assert [feedback_of(shop, each).status for each in ids] == ["fixed", "open", "open"]


@pytest.mark.parametrize("form", [{"status": "fixed"}, {"status": "odd"}, {"was": "x:odd"}])
def test_a_form_that_means_nothing_is_told_so(shop, people, lost, form):
    lost("What whistles?", "not_in_corpus")
    answer = post(shop, people["owner"], "change/", **form)
    assert 'role="alert"' in answer.content.decode()


def test_one_click_makes_a_golden_question_and_a_second_links_the_same(shop, people, lost):
    guide = make_document(shop, f"{uuid4().hex}.md")
    first, second = (lost("What whistles?", "ignored", guide) for _ in range(2))
    for trace_id in (first, second):
        post(shop, people["owner"], f"{trace_id}/golden/")
    with tenant_context(shop):
        golden = GoldenQuestion.objects.get()
    assert (golden.question, golden.expected_paths) == ("What whistles?", [guide.path])
    assert (golden.origin, golden.trace_id) == ("trace", first)
    assert feedback_of(shop, first).golden_question_id == golden.pk
    assert feedback_of(shop, second).golden_question_id == golden.pk


def test_where_the_asker_may_not_know_the_golden_answer_is_that_there_is_none(shop, people, lost):
    secret = make_document(shop, f"{uuid4().hex}.md", access_level="internal")
    post(shop, people["owner"], f"{lost('Payday?', 'not_permitted', secret)}/golden/")
    with tenant_context(shop):
        golden = GoldenQuestion.objects.get()
    assert (golden.must_abstain, golden.expected_paths) == (True, [])


def test_a_document_that_changed_since_asks_to_ask_again(shop, people, lost):
    guide = make_document(shop, f"{uuid4().hex}.md")
    trace_id = lost("What whistles?", "ignored", guide)
    assert "Documents changed since" not in page(shop, people["owner"], f"{trace_id}/")
    with tenant_context(shop):
        type(guide).objects.filter(pk=guide.pk).update(indexed_at=timezone.now())
    assert "Documents changed since" in page(shop, people["owner"], f"{trace_id}/")
    assert "Documents changed since" in page(shop, people["owner"])


def test_a_rating_that_changes_is_open_and_undiagnosed_again(shop, people, lost):
    trace_id = lost("What whistles?", "not_in_corpus")
    post(shop, people["owner"], f"{trace_id}/status/", status="dismissed")
    rated_down(shop, trace_id, "wrong", "Not the kettle.")
    found = feedback_of(shop, trace_id)
    assert (found.status, found.diagnosis, found.diagnosed_at) == ("open", "", None)
    rated_down(shop, trace_id, "wrong", "Not the kettle.")  # the same again changes nothing
    post(shop, people["owner"], f"{trace_id}/status/", status="fixed")
    rated_down(shop, trace_id, "wrong", "Not the kettle.")
    assert feedback_of(shop, trace_id).status == "fixed"


def test_who_only_repeats_a_rating_does_not_take_it_over(shop, people, lost):
    trace_id = lost("What whistles?", "not_in_corpus", reason="wrong")
    rated_down(shop, trace_id, "wrong", by="somebody else")
    assert feedback_of(shop, trace_id).rated_by == people["member"].user.email
    rated_down(shop, trace_id, "outdated", by="somebody else")
    assert feedback_of(shop, trace_id).rated_by == "somebody else"


def test_what_is_marked_fixed_is_asked_again_unless_it_was(shop, people, lost):
    one, other = (lost("What whistles?", "not_in_corpus") for _ in range(2))
    with tenant_context(shop):
        Feedback.objects.filter(pk=other).update(new_trace_id=one)
    post(shop, people["owner"], "change/", id=[str(one), str(other)], status="fixed")
    assert feedback_of(shop, one).asked_again_at is not None
    assert feedback_of(shop, other).asked_again_at is None


def test_diagnosing_again_leaves_what_was_decided(shop, people, lost):
    trace_id = lost("What whistles?", "not_in_corpus")
    post(shop, people["owner"], f"{trace_id}/status/", status="fixed")
    post(shop, people["owner"], f"{trace_id}/diagnose/")
    assert "searched again, at every level" in page(shop, people["owner"], f"{trace_id}/")
    found = feedback_of(shop, trace_id)
    assert (found.status, found.diagnosed_at) == ("fixed", None)


def test_the_list_takes_as_many_queries_however_much_was_rated(
    shop, people, lost, django_assert_max_num_queries
):
    for n in range(12):
        lost(f"Question {n}?", "ignored", make_document(shop, f"{uuid4().hex}.md"))
    with django_assert_max_num_queries(30):
        page(shop, people["owner"])
