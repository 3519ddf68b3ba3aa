"""How many documents a batch takes, from what earlier ones took."""

from __future__ import annotations

import pytest

from retrieval.indexing.pace import Experience


def experienced(beside: float, each: float, sizes=(1, 2, 8, 3, 5)) -> Experience:
    known = Experience()
    for documents in sizes:
        known.note(documents, beside + each * documents)
    return known


@pytest.mark.parametrize(
    ("beside", "each", "fewest", "most"),
    [
        (0.0, 0.01, 24, 25),  # a quarter of a second
        (0.05, 0.01, 19, 20),
        (0.3, 0.02, 14, 15),  # as long again as a batch costs beside its documents
        (0.9, 0.02, 4, 5),  # but a second in all
        (2.0, 0.02, -100, 0),
        (0.0, 3.0, 0, 0),
    ],
)
def test_a_batch_takes_a_quarter_of_a_second_or_twice_what_it_costs_itself(
    beside, each, fewest, most
):
    assert fewest <= experienced(beside, each).fitting() <= most


def test_while_all_batches_were_of_one_size_their_whole_time_is_the_documents():
    assert experienced(0.1, 0.025, sizes=(2, 2, 2)).fitting() == pytest.approx(3, abs=1)


def test_what_was_long_ago_counts_little():
    known = experienced(0.0, 1.0)
    for documents in (1, 2, 4, 2) * 10:
        known.note(documents, 0.01 * documents)
    assert known.fitting() >= 20
