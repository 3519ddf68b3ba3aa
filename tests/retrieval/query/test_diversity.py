"""Copies of a passage, and passages that say something new."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.query.diversity import choose
from retrieval.types import Hit

REFUNDS = (
    "A refund is paid to the card that was charged. It takes five working days from the day on which "
    "the parcel came back to the warehouse, and the shipping fee is not part of it."
)


def hit(number, text, *, score=None, content_hash="", embedding=None, rerank_score=None):
    vector = None if embedding is None else np.array(embedding, np.float32)
    return Hit(
        chunk_id=number,
        document_id="d",
        path=f"{number}.md",
        heading_path="",
        text=text,
        score=1 / number if score is None else score,
        similarity=0.5,
        access_level="public",
        rank=number,
        content_hash=content_hash,
        rerank_score=rerank_score,
        embedding=vector,
    )


def ids(hits):
    return [one.chunk_id for one in hits]


def fates(dropped):
    return {one.hit.chunk_id: one.fate for one in dropped}


@pytest.mark.parametrize(
    "copy",
    [
        REFUNDS,
        REFUNDS.upper(),
        REFUNDS.replace(" ", "\n"),
        f"{REFUNDS[:120]}",
        REFUNDS.replace("the parcel", "a parcel"),
    ],
)
def test_of_copies_the_better_one_stays(copy):
    hits = [hit(1, REFUNDS), hit(2, copy), hit(3, "Parcels are sent on weekdays.")]
    chosen, dropped = choose(hits, 2)
    assert ids(chosen) == [1, 3]
    assert fates(dropped) == {2: "duplicate"}


def test_the_same_content_hash_is_a_copy():
    chosen, _ = choose([hit(1, "one", content_hash="x"), hit(2, "two", content_hash="x")], 5)
    assert ids(chosen) == [1]


@pytest.mark.parametrize(
    "other",
    [
        REFUNDS.replace("five", "5"),
        REFUNDS.replace("is not part", "is part") + " It is never paid in cash.",
        REFUNDS + " A refund may be asked for within thirty days; after that a voucher is offered, "
        "which holds for two years and may be given to somebody else without our consent.",
    ],
)
def test_a_passage_that_differs_in_what_it_says_is_no_copy(other):
    chosen, dropped = choose([hit(1, REFUNDS), hit(2, other)], 5)
    assert ids(chosen) == [1, 2]
    assert dropped == []


def test_passages_of_one_direction_are_copies_unless_their_numbers_differ():
    same = [0.6, 0.8]
    first = hit(1, "The limit is 30 days for all.", embedding=same)
    worded = hit(2, "Everyone has thirty days at most.", embedding=same)
    other = hit(3, "The limit is 60 days for all.", embedding=same)
    chosen, dropped = choose([first, worded, other], 5)
    assert ids(chosen) == [1, 3]
    assert fates(dropped) == {2: "duplicate"}


def test_what_is_left_over_is_ranked_out():
    hits = [hit(n, f"Passage about subject {n}") for n in range(1, 5)]
    chosen, dropped = choose(hits, 2)
    assert ids(chosen) == [1, 2]
    assert fates(dropped) == {3: "ranked_out", 4: "ranked_out"}


VARIED = [
    hit(1, "alpha", score=1.0, embedding=[1, 0, 0]),
    hit(2, "beta", score=0.9, embedding=[0.9, 0.43589, 0]),
    hit(3, "gamma", score=0.5, embedding=[0, 0, 1]),
    hit(4, "delta", score=0.1, embedding=[0, 1, 0]),
]


@pytest.mark.parametrize(
    ("mmr_lambda", "order"), [(1.0, [1, 2, 3]), (0.6, [1, 3, 2]), (0.0, [1, 3, 4])]
)
def test_less_lambda_prefers_what_is_new(mmr_lambda, order):
    chosen, dropped = choose(VARIED, 3, mmr_lambda)
    assert ids(chosen) == order
    assert set(fates(dropped).values()) == {"ranked_out"}
    assert len(chosen) + len(dropped) == 4


def test_the_rerankers_score_is_the_relevance_where_there_is_one():
    scores, vectors = (3.0, float("-inf"), 2.0), np.eye(3).tolist()
    scored = [
        hit(n, str(n), embedding=vectors[n - 1], score=0.1, rerank_score=scores[n - 1])
        for n in (1, 2, 3)
    ]
    assert ids(choose(scored, 3, 0.9)[0]) == [1, 3, 2]


def test_without_vectors_the_order_of_relevance_stays():
    assert ids(choose([hit(1, "a b c"), hit(2, "d e f")], 2, 0.2)[0]) == [1, 2]


def test_nothing_found_is_nothing_chosen():
    assert choose([], 5, 0.5) == ([], [])
