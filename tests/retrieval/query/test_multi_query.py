"""One question in several wordings."""

from __future__ import annotations

import pytest

from retrieval.query.budget import Purse
from retrieval.query.multi_query import check_wordings, expand, is_weak
from retrieval.query.request import AnswerRequest
from retrieval.query.run import Run
from retrieval.types import Hit
from tests.retrieval.query.asking import changed, routed, sent_to
from tests.retrieval.query.conftest import with_model

pytestmark = pytest.mark.usefixtures("loop_resources")
QUESTION = "How do I reset my password?"


def hit(similarity=0.9, vector_place=1, keyword_place=1):
    return Hit(
        1, "d", "a.md", "", "text", 1.0, similarity, "public", 1,
        vector_place=vector_place, keyword_place=keyword_place,
    )  # fmt: skip


def run_of(caller, step="", **query):
    return Run(changed(caller, query=query), AnswerRequest(QUESTION), QUESTION, Purse(step=step))


async def test_the_small_model_words_the_question_in_one_call(caller, mock_url):
    run = run_of(with_model(caller, mock_url, "mock"), multi_query="on", rewrites=3)
    wordings = await expand(run, [hit()])
    assert wordings == (
        "reset my password guide",
        "reset my password steps",
        "reset my password overview",
    )
    assert len(await sent_to(mock_url)) == 1
    assert [call.kind for call in run.outcome.calls] == ["multi_query"]


async def test_off_asks_nobody(caller, mock_url):
    run = run_of(with_model(caller, mock_url, "mock"), multi_query="off")
    assert await expand(run, []) == ()
    assert await sent_to(mock_url) == []


async def test_auto_asks_only_after_a_weak_search(caller, mock_url):
    run = run_of(with_model(caller, mock_url, "mock"), multi_query="auto")
    assert await expand(run, [hit()]) == ()
    assert await sent_to(mock_url) == []
    assert len(await expand(run, [hit(similarity=0.1)])) == 3


@pytest.mark.parametrize(
    ("hits", "weak"),
    [
        ([], True),
        ([hit()], False),
        ([hit(similarity=0.35)], True),
        ([hit(keyword_place=9), hit(vector_place=9)], True),
        ([hit(keyword_place=3, vector_place=2)], False),
        ([hit(keyword_place=None)], False),
    ],
)
def test_a_search_is_weak_where_it_is_far_or_its_sides_disagree(hits, weak):
    assert is_weak(hits, 0.2) is weak


@pytest.mark.parametrize("model", ["mock-error-500", "mock-garbage"])
async def test_a_model_that_fails_leaves_the_question_as_it_is(caller, mock_url, model):
    run = run_of(routed(caller, mock_url, rewrite=model, simple="mock"), multi_query="on")
    assert await expand(run, [hit()]) == ()
    assert run.outcome.calls == []


async def test_a_low_budget_pays_for_no_wordings(caller, mock_url):
    run = run_of(with_model(caller, mock_url, "mock"), "small_model", multi_query="on")
    assert await expand(run, []) == ()
    assert await sent_to(mock_url) == []


async def test_without_a_model_there_are_none(caller):
    assert await expand(run_of(caller, multi_query="on"), []) == ()


def test_wordings_are_lines_without_marks_and_all_different():
    text = (
        "1. Resetting a password\n- resetting A passwords!\n\nHow do I reset my password?\n"
        f'* "Recover access"\n{"long " * 100}\nRecover  ACCESS!\nA fourth way\nA fifth one'
    )
    assert check_wordings(text, QUESTION, 3) == (
        "Resetting a password", "Recover access", "A fourth way",
    )  # fmt: skip
