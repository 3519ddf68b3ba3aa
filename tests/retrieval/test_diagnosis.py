"""Each way in which an answer gets lost, with real documents, the real search and a model over HTTP."""

from __future__ import annotations

from uuid import UUID

import pytest

from retrieval.background import run_alone
from retrieval.models import QueryTrace
from tenants.context import tenant_context
from tests.documents import upload_and_index
from tests.retrieval.lost_answers import asked, caller_of, diagnosed, make_library
from tests.retrieval.query.asking import answered

CANCEL = "Until when can I cancel my booking?"
DOGS = "Are dogs welcome in the rooms?"


@pytest.fixture(scope="module")
def library(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return make_library()


def test_what_no_document_says_is_not_in_the_corpus(library):
    trace = asked(caller_of(library), "Which wine goes with grilled octopus?")
    found = diagnosed(library, trace)
    assert found.diagnosis == "not_in_corpus"
    assert found.diagnosis_detail["document_id"] is None
    assert found.diagnosis_detail["evidence"] < found.diagnosis_detail["needed"]
    assert "Write a document about “Which wine" in found.diagnosis_detail["fix"]
    assert "No document has “wine”" in found.diagnosis_detail["explanation"]


def test_what_the_asker_may_not_read_is_not_permitted(library):
    trace = asked(caller_of(library, "public"), "On which day are salaries paid?")
    found = diagnosed(library, trace)
    assert found.diagnosis == "not_permitted"
    assert found.diagnosis_detail["path"] == "finance/salaries.md"
    assert found.diagnosis_detail["access_level"] == "internal"
    assert "Give the asker the level internal" in found.diagnosis_detail["fix"]


def test_a_passage_that_a_filter_kept_out_was_not_retrieved(library):
    caller = caller_of(library)
    trace = asked(caller, "On which day are salaries paid?", filters=(("path_prefix", "guide/"),))
    found = diagnosed(library, trace)
    assert found.diagnosis == "not_retrieved"
    assert found.diagnosis_detail["path"] == "finance/salaries.md"
    assert found.diagnosis_detail["place"] == 1


def test_a_passage_below_the_last_that_was_shown_was_ranked_out(library):
    trace = asked(caller_of(library, top_k=1), "What holds for a dog in a room each night?")
    found = diagnosed(library, trace, "incomplete")
    assert found.diagnosis == "ranked_out"
    assert found.diagnosis_detail["fate"] == "ranked_out"
    assert found.diagnosis_detail["path"].startswith("hotel/pets")
    assert found.diagnosis_detail["place"] == 2


def test_a_passage_that_the_model_was_shown_was_ignored(library):
    found = diagnosed(library, asked(caller_of(library), DOGS), "wrong")
    assert found.diagnosis == "ignored"
    assert found.diagnosis_detail["path"] == "hotel/pets.md"
    assert "The answer cites “hotel/pets.md”" in found.diagnosis_detail["explanation"]
    assert found.diagnosis_detail["evidence"] >= found.diagnosis_detail["needed"]


@pytest.mark.parametrize(
    ("reason", "diagnosis"), [("other", "not_in_corpus"), ("not_found", "ignored")]
)
def test_a_model_that_read_the_passage_and_cites_nothing_is_believed_unless_the_rater_knows(
    library, reason, diagnosis
):
    trace = asked(caller_of(library), "Who feeds the dogs of guests?")
    with tenant_context(library):
        QueryTrace.objects.filter(pk=trace).update(citations=[])
    found = diagnosed(library, trace, reason)
    assert found.diagnosis == diagnosis


def test_of_an_answer_that_no_model_wrote_no_model_is_blamed(library):
    trace = UUID(run_alone(answered(caller_of(library), DOGS))["id"])
    found = diagnosed(library, trace, "wrong")
    assert found.diagnosis == "ignored"
    assert "The answer quotes “hotel/pets.md”" in found.diagnosis_detail["explanation"]
    assert "connect a model" in found.diagnosis_detail["fix"]


def test_a_sentence_that_was_left_out_of_the_prompt_was_compressed_away(library):
    trace = asked(caller_of(library, compress=True), CANCEL)
    comment = "It does not say that guests get their prepaid deposit back within ten days."
    found = diagnosed(library, trace, "incomplete", comment)
    assert found.diagnosis == "compressed_away"
    assert found.diagnosis_detail["part"].startswith("Guests get the prepaid deposit back")


def test_the_same_answer_without_compression_was_ignored(library):
    comment = "It does not say that guests get their prepaid deposit back within ten days."
    trace = asked(caller_of(library, compress=False), CANCEL)
    found = diagnosed(library, trace, "wrong", comment)
    assert found.diagnosis == "ignored"
    assert found.diagnosis_detail["path"] == "hotel/booking.md"


def test_a_document_that_came_after_the_question_makes_the_answer_stale(tenant):
    trace = asked(caller_of(tenant), "Where can I park my car?")
    upload_and_index(
        tenant, {"parking.md": ("public", "# Parking\n\nPark your car in the yard.\n")}
    )
    found = diagnosed(tenant, trace, "outdated")
    assert (found.diagnosis, found.diagnosis_detail["since"]) == ("stale", "added")


def test_a_newer_document_than_those_of_the_answer_makes_it_stale(tenant):
    fee = "# Parking\n\nA parking place for a car costs {} euros for each night.\n"
    upload_and_index(tenant, {"2019.md": ("public", fee.format("five"))})
    more = "In the yard of the hotel the price of a parking place is nine euros a night for a car."
    upload_and_index(tenant, {"2024.md": ("public", f"# Prices\n\n{more}\n")})
    trace = asked(caller_of(tenant, top_k=1), "How many euros does a parking place cost?")
    found = diagnosed(tenant, trace, "outdated")
    assert (found.diagnosis, found.diagnosis_detail["since"]) == ("stale", "newer")
    assert found.diagnosis_detail["path"] == "2024.md"


def test_a_kept_answer_whose_passages_would_be_others_now_is_stale(tenant):
    upload_and_index(tenant, {"a.md": ("public", "# Parking\n\nPark your car in the yard.\n")})
    trace = asked(caller_of(tenant), "Where can I park my car?", times=2)
    upload_and_index(tenant, {"b.md": ("public", "# Bicycles\n\nPark bicycles in the cellar.\n")})
    found = diagnosed(tenant, trace)
    assert (found.diagnosis, found.diagnosis_detail["since"]) == ("stale", "cache")


@pytest.mark.parametrize(
    ("question", "asked_for", "diagnosis"),
    [
        (DOGS, {"filters": (("path_prefix", "hotel/pets-fee"),)}, "not_retrieved"),
        ("What holds for a dog in a room each night?", {"top_k": 1}, "ranked_out"),
    ],
)
def test_a_kept_answer_is_held_against_what_was_asked_for(library, question, asked_for, diagnosis):
    # As the tenant, which has no model to compress for.
    trace = asked(caller_of(library, compress=False), question, times=2, **asked_for)
    with tenant_context(library):
        assert QueryTrace.objects.get(pk=trace).cache == "exact"
    assert diagnosed(library, trace, "incomplete").diagnosis == diagnosis
