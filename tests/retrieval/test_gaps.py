"""Documents to write: which questions count, which belong together, what is ignored."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from monitoring.models import QueryMetric
from retrieval.gaps import documents_to_write, group_by_meaning, ignore_questions
from retrieval.models import Feedback, QueryTrace
from retrieval.services.review import resolve
from tenants.context import tenant_context
from tenants.prices import remove_price, set_price
from tenants.services import create_tenant
from tests.documents import upload_and_index
from tests.retrieval.lost_answers import rated_down
from tests.retrieval.pages import make_trace, sign_in


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return create_tenant(slug=f"gaps-{uuid4().hex[:8]}")


@pytest.fixture
def unanswered(shop):
    with tenant_context(shop):
        QueryTrace.objects.all().delete()
    return lambda question, **values: make_trace(
        shop, question=question, **{"abstained": True, **values}
    )


def titles(shop, **options):
    return [
        [each.question for each in gap.questions] for gap in documents_to_write(shop, **options)
    ]


def test_other_wordings_of_one_question_are_one_gap_most_asked_first(shop, unanswered):
    one, other = (sign_in(shop).user for _ in range(2))
    unanswered("Which wine goes with octopus?", user=one)
    unanswered("Where can I park my car?", user=one)
    unanswered("Where may I park the car?", user=other)
    unanswered("Where can I park a car here?", user=other)
    parking, wine = documents_to_write(shop)
    assert (parking.count, parking.askers, parking.unanswered) == (3, 2, 3)
    assert "park" in parking.title
    assert len(parking.examples) == 2
    assert wine.title == "Which wine goes with octopus?"


def test_a_thumbs_down_counts_once_it_is_diagnosed_so_and_until_it_is_settled(shop, unanswered):
    trace = unanswered("Is there a sauna?", abstained=False)
    rated_down(shop, trace.pk)
    assert titles(shop) == []
    with tenant_context(shop):
        Feedback.objects.update(diagnosis="not_in_corpus", diagnosed_at=timezone.now())
    (gap,) = documents_to_write(shop)
    assert (gap.title, gap.rated_down, gap.unanswered) == ("Is there a sauna?", 1, 0)
    with tenant_context(shop):
        resolve([trace.pk], "fixed", by="admin")
    assert titles(shop) == []


def test_an_ignored_gap_stays_away_with_the_like_and_can_be_brought_back(shop, unanswered):
    first = unanswered("Where can I park my car?")
    with tenant_context(shop):
        ignore_questions([first.pk], ignored=True)
    unanswered("Where may I park the car?")
    assert titles(shop) == []
    (group,) = titles(shop, is_ignored=True)
    assert len(group) == 2
    with tenant_context(shop):
        ignore_questions([first.pk], ignored=False)
    assert len(titles(shop)) == 1


def test_what_is_ignored_is_remembered_beyond_the_period_and_hides_no_group_around_it(
    shop, unanswered
):
    old = unanswered("Where can I park my car?")
    with tenant_context(shop):
        QueryTrace.objects.filter(pk=old.pk).update(
            created_at=timezone.now() - timedelta(days=60), gap_ignored=True
        )
    unanswered("Where may I park the car?", is_simulated=True)
    other = unanswered("Is there a garage where I can charge my electric car?")
    assert titles(shop) == [[other.question]]
    assert titles(shop, with_simulated=False) == [[other.question]]
    (group,) = titles(shop, is_ignored=True)
    assert group == ["Where may I park the car?", "Where can I park my car?"]


def test_a_follow_up_is_shown_as_it_was_asked_to_who_may_read_less_than_the_asker(shop, unanswered):
    unanswered("And then?", standalone_question="And after the layoffs?", access_levels=["secret"])
    assert titles(shop, levels=["public"]) == titles(shop, levels=[]) == [["And then?"]]
    assert titles(shop, levels=["public", "secret"]) == [["And after the layoffs?"]]


def test_a_document_that_was_written_is_named_to_who_may_read_it(shop, unanswered):
    unanswered("Where can I charge my electric car?")
    unanswered("Which wine goes with octopus?")
    text = "# Charging\n\nCharge your electric car at the post in the yard.\n"
    upload_and_index(shop, {"charging.md": ("internal", text)})
    for levels, paths in ((["public"], [None, None]), (["internal"], [None, "charging.md"])):
        found = documents_to_write(shop, levels=levels)
        assert [gap.written and gap.written.path for gap in found] == paths
    page = sign_in(shop).get(f"/t/{shop.slug}/feedback/gaps/?now=1").content.decode()
    assert "charging.md</a>, of the level internal, fits it by now" in page


def test_demo_traffic_and_other_times_are_left_out_on_request(shop, unanswered):
    unanswered("Is there a sauna?", is_simulated=True)
    assert documents_to_write(shop)[0].simulated == 1
    assert titles(shop, with_simulated=False) == []
    tomorrow = timezone.now() + timedelta(days=1)
    assert titles(shop, start=tomorrow) == []
    assert titles(shop, end=timezone.now() - timedelta(days=1)) == []


def test_each_question_is_in_one_group_around_the_one_with_most_others_near():
    def at(*degrees):
        angles = np.radians(degrees)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    assert group_by_meaning(at(0, 40, 80, 200)) == [[1, 0, 2], [3]]
    assert group_by_meaning(at(10)) == [[0]]


def test_the_page_groups_ignores_and_undoes(shop, unanswered):
    trace = unanswered("Is there a sauna?")
    owner, address = sign_in(shop), f"/t/{shop.slug}/feedback/gaps/"

    def shown(query="", **headers):
        return owner.get(f"{address}{query}", headers=headers).content.decode()

    assert "are being grouped" in shown()
    unanswered("Is there a sauna?")
    listed = shown(**{"HX-Request": "true", "HX-Target": "gaps"})
    assert "All 2 questions" in listed
    assert f"/t/{shop.slug}/traces/{trace.pk}/" in listed
    owner.post(f"{address}ignore/", {"id": str(trace.pk), "ignored": "1"})
    assert "No document is missing" in shown("?now=1")
    assert "Is there a sauna?" in shown("?now=1&ignored=1")
    owner.post(f"{address}ignore/", {"id": ["x", str(trace.pk)], "ignored": "0"})
    assert "Is there a sauna?" in shown("?now=1")


def test_vectors_that_are_paid_for_are_in_the_books(shop, unanswered):
    unanswered("Which of the boats is the fastest?")
    name = shop.embedding_model
    set_price(tenant=shop, model=name, input_usd=1000, actor=None)
    try:
        documents_to_write(shop)
    finally:
        remove_price(tenant=shop, model=name, actor=None)
    booked = QueryMetric.objects.get(tenant_id=shop.pk, entry="diagnosis")
    (call,) = booked.calls
    assert call["kind"] == "embedding"
    assert Decimal(call["cost_usd"]) > 0
