"""How many documents a batch takes, from what earlier ones took."""

from __future__ import annotations

import random

import pytest

from retrieval.indexing import pace


def work(tenant, beside: float, each: float, batches: int = 40, noise: float = 0.0) -> list[int]:
    """Sizes of batches of which each takes so long, beside its documents and for each of them."""
    chosen = random.Random(1)
    sizes = []
    for _ in range(batches):
        size = pace.batch_size(tenant)
        sizes.append(size)
        factor = 1 + noise * chosen.uniform(-1, 1)
        pace.note(tenant, size, (beside + each * size) * factor)
    return sizes


def test_the_first_batch_is_one_document_and_the_next_are_not_much_larger(tenant):
    assert work(tenant, 0.01, 0.001, batches=4) == [1, 4, 16, 64]


@pytest.mark.parametrize(
    ("beside", "each", "fewest", "most"),
    [
        (0.02, 0.001, 256, 256),
        (0.02, 0.03, 12, 24),
        (0.3, 0.005, 40, 80),  # a busy machine: the batch costs more than its documents
        (0.8, 0.01, 2, 24),
        (0.0, 0.4, 1, 3),
        (0.0, 3.0, 1, 1),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_batches_settle_where_they_are_short(tenant, beside, each, fewest, most, noise):
    sizes = work(tenant, beside, each, noise=noise)[-20:]
    slack = 1 + 2 * noise
    assert fewest / slack <= sum(sizes) / len(sizes) <= most * slack


def test_a_slow_time_is_forgotten(tenant):
    work(tenant, 0.0, 2.0)
    assert work(tenant, 0.0, 0.004, batches=8)[-1] >= 32
