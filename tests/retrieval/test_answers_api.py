"""Recorded answers over the API: found by the filters of the traces page, told with all of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retrieval.models import Feedback
from tenants.context import tenant_context
from tests.retrieval.pages import hit, make_document, make_trace, sign_in

ADDRESS = "/api/v1/answers/"


@pytest.fixture
def ask(tenant):
    """GET as an admin of the tenant who may read public documents."""
    browser = sign_in(tenant, role="admin", levels=["public"])

    def ask(query="", status=200):
        answer = browser.get(ADDRESS + query, HTTP_X_RAGADMIN_TENANT=tenant.slug)
        assert answer.status_code == status
        return answer.json()

    return ask


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("cache=semantic", {"like"}),
        ("cache=any", {"like", "same"}),
        ("cache=none", {"fresh"}),
        ("rating=down", {"same"}),
        ("rating=none", {"like", "fresh"}),
        ("q=LIKE", {"like"}),
        ("model=large", {"fresh"}),
        ("days=7&status=succeeded", {"like", "same", "fresh"}),
    ],
)
def test_answers_are_found_by_the_filters_of_the_traces_page(tenant, ask, query, wanted):
    make_trace(tenant, question="like", cache="semantic")
    rated = make_trace(tenant, question="same", cache="exact")
    make_trace(tenant, question="fresh", model="large")
    with tenant_context(tenant):
        Feedback.objects.create(trace=rated, rating="down")
    assert {row["question"] for row in ask(f"?{query}")["results"]} == wanted


@pytest.mark.parametrize("query", ["cache=warm", "status=done", "rating=good", "days=soon"])
def test_a_filter_that_means_nothing_is_refused_with_what_it_may_be(ask, query):
    name = query.split("=")[0]
    error = ask(f"?{query}", status=400)["error"]
    assert error["extra"]["field"] == name
    assert error["message"].startswith(f"{name} is one of ")


def test_an_answer_tells_where_it_came_from_and_what_was_saved(tenant, ask):
    document, secret = make_document(tenant), make_document(tenant, "s.md", access_level="internal")
    trace = make_trace(
        tenant,
        cache="exact",
        standalone_question="What whistles in the kitchen?",
        degraded=["reranker"],
        saved={"cache": "0.002"},
        saved_usd=Decimal("0.002"),
        saved_tokens=120,
        route={"tried": [{"model": "gpt-4o", "error": "model_timeout"}]},
        dropped=[hit(each) | {"fate": "ranked_out"} for each in (document, secret)],
    )
    told = ask(f"{trace.id}/")
    assert told["cache"] == "exact"
    assert told["standalone_question"] == "What whistles in the kitchen?"
    assert told["degraded"] == ["reranker"]
    assert (told["saved"], told["saved_usd"], told["saved_tokens"]) == (
        {"cache": 0.002},
        0.002,
        120,
    )
    assert told["route"]["tried"][0]["model"] == "gpt-4o"
    assert [row["path"] for row in told["dropped"]] == ["guide.md"]
