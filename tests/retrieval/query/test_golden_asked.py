"""Golden questions asked of a model: anew each time, told from traffic, and what saying nothing is."""

from __future__ import annotations

import pytest

from retrieval.evaluation.ask import Trial, ask_all
from retrieval.evaluation.judge import has_abstained
from retrieval.evaluation.summary import sum_up
from retrieval.models import GoldenQuestion
from retrieval.query.run import Outcome
from retrieval.types import Citation, RouteDecision
from tests.documents import DOCUMENTS
from tests.retrieval.query.asking import QUESTION, answered, changed, sent_to
from tests.retrieval.query.conftest import with_model
from tests.retrieval.query.kept_answers import traces

PATH = next(iter(DOCUMENTS))


def golden(**values):
    return GoldenQuestion(
        question=QUESTION, access_levels=["public"], expected_paths=[PATH], **values
    )


async def test_what_is_kept_is_not_served_and_nothing_is_traced(asker, mock_url):
    kept = changed(asker, query={"llm_cache": True})
    await ask_all(Trial(kept), [golden()])
    before = len(await sent_to(mock_url))
    await answered(kept)
    assert len(await sent_to(mock_url)) == before + 1, "nobody gets what a golden question got"
    (result,) = await ask_all(Trial(kept), [golden()])
    assert len(await sent_to(mock_url)) == before + 2
    assert result["error"] is None
    assert (result["rank"], result["model"]) == (1, asker.tenant.endpoint.small_model)
    assert float(result["cost_usd"]) > 0
    assert len(await traces(kept)) == 1, "the question of the user"


async def test_a_model_that_fails_is_an_error_of_its_question_and_of_no_other(asker, mock_url):
    broken = with_model(asker, "http://127.0.0.1:1/v1", "away")
    first, second = await ask_all(Trial(broken), [golden(), golden(must_abstain=True)])
    assert {first["error"]["code"], second["error"]["code"]} == {"degraded"}
    assert first["is_right"] is None


async def test_an_unknown_price_is_unknown_and_not_free(asker):
    (result,) = await ask_all(Trial(changed(asker, prices=())), [golden()])
    assert result["cost_usd"] is None
    summary = sum_up([result])
    assert (summary["cost_usd"], summary["unpriced"]) == (None, 1)


@pytest.mark.parametrize(
    ("model", "cited", "abstained", "expected"),
    [
        ("gpt", True, False, False),
        ("gpt", False, False, True),
        ("extractive", False, False, False),
        ("extractive", False, True, True),
    ],
)
def test_a_model_that_cites_nothing_says_that_there_is_no_answer(model, cited, abstained, expected):
    citation = Citation(1, "d", 1, PATH, "So.")
    outcome = Outcome(
        abstained=abstained,
        citations=(citation,) if cited else (),
        route=RouteDecision("simple", model, ""),
    )
    assert has_abstained(outcome) is expected
