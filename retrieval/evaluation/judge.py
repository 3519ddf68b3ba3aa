"""What an answer to a golden question is worth, by what is expected of it.

Found: a document of which the path is expected is among those that the model was shown.
Matched: every text of `must_contain` stands in the answer; and where an answer is expected, each of
its numbers does too (also one that is written as a word), and it holds 80 % of the expected words or
is near in meaning. Of 25 pairs that were judged by hand this takes 10 of 12 right ones for right, and
3 of 13 wrong ones, which said the opposite or spoke of something near: where the very word counts,
it belongs into `must_contain`.
Abstained: nothing near enough was found, or a model cites nothing, which it is told to do where the
passages hold no answer.
Right: all that is expected holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrieval.evaluation.metrics import (
    missing_texts,
    ndcg_at,
    rank_of_first,
    token_f1,
    token_recall,
    without_citations,
)
from retrieval.providers import extractive
from retrieval.query.guards.tokens import tokens_of

if TYPE_CHECKING:
    from retrieval.models import GoldenQuestion
    from retrieval.query.run import Outcome

# all-MiniLM-L6-v2; expected answers are short, and answers are sentences, so they lie further apart
# than two wordings of one sentence do.
NEAR_IN_MEANING = 0.6
EXPECTED_WORDS = 0.8
NDCG_AT = 10


def judge(golden: GoldenQuestion, outcome: Outcome, cosine: float | None) -> dict[str, Any]:
    """`cosine` of the answer and the expected one; None where none is expected."""
    found = _judge_search(golden, outcome)
    said = _judge_answer(golden, outcome, cosine)
    return {**found, **said, "is_right": _is_right(golden, found, said)}


def has_abstained(outcome: Outcome) -> bool:
    is_quoted = outcome.route is None or outcome.route.model == extractive.MODEL
    return outcome.abstained or (not is_quoted and not outcome.citations)


def _judge_search(golden: GoldenQuestion, outcome: Outcome) -> dict[str, Any]:
    """By documents, in the order of their best passage. All None where none is expected."""
    if not golden.expected_paths:
        return {"found": None, "rank": None, "reciprocal_rank": None, "ndcg": None, "cited": None}
    order = list(dict.fromkeys(hit.path for hit in outcome.hits))
    gains = dict.fromkeys(golden.expected_paths, 1.0)
    rank = rank_of_first(gains, order)
    cited = {citation.path for citation in outcome.citations}
    return {
        "found": rank is not None,
        "rank": rank,
        "reciprocal_rank": 1 / rank if rank else 0.0,
        "ndcg": round(ndcg_at(gains, order, NDCG_AT), 4),
        "cited": len(cited & set(gains)) / len(gains),
    }


def _judge_answer(golden: GoldenQuestion, outcome: Outcome, cosine: float | None) -> dict[str, Any]:
    expected, answer = golden.expected_answer, without_citations(outcome.answer)
    missing = missing_texts(golden.must_contain, answer)
    abstained = has_abstained(outcome)
    matched = None
    if golden.must_contain or expected:
        means_it = not expected or means_the_same(expected, answer, cosine)
        matched = not missing and means_it and not abstained
    return {
        "abstained": abstained,
        "matched": matched,
        "missing": missing,
        "similarity": None if cosine is None else round(cosine, 4),
        "f1": round(token_f1(expected, answer), 4) if expected else None,
    }


def means_the_same(expected: str, answer: str, cosine: float | None) -> bool:
    if not _numbers(expected) <= _numbers(answer):
        return False
    is_near = cosine is not None and cosine >= NEAR_IN_MEANING
    return is_near or token_recall(expected, answer) >= EXPECTED_WORDS


def _numbers(text: str) -> set[str]:
    words = (token.text for token in tokens_of(text))
    return {word for word in words if any(char.isdigit() for char in word)}


def _is_right(golden: GoldenQuestion, found: dict[str, Any], said: dict[str, Any]) -> bool | None:
    """None where nothing is expected."""
    if golden.must_abstain:
        return said["abstained"]
    expected = [verdict for verdict in (found["found"], said["matched"]) if verdict is not None]
    return all(expected) and not said["abstained"] if expected else None
