"""What a made-up reader thinks of an answer: more often little where there is less to think well of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrieval.models import Feedback

if TYPE_CHECKING:
    from random import Random

# Of all answers; most people say nothing.
RATED = 0.35
# How often a rater is discontent, by the worst that holds of the answer.
WITHOUT_ANSWER, WITHOUT_SOURCE, FAR_OFF, NEAR = 0.5, 0.4, 0.2, 0.03
# Cosine similarity of the best passage, below which it hardly answers the question.
FAR = 0.35


@dataclass(frozen=True, slots=True)
class Opinion:
    rating: str
    reason: str = ""


def form_opinion(
    answer: dict[str, Any], random: Random, *, is_elsewhere: bool = False
) -> Opinion | None:
    """Of an answer in the form of the contract. None: nothing is said.

    `is_elsewhere`: no document can have answered it.
    """
    if random.random() >= RATED:
        return None
    chance, reason = _discontent(answer)
    # Whether a kept answer fits another question cannot be told from this, and it would part the two
    # questions for good.
    if answer["cache"] != "semantic" and random.random() < chance:
        return Opinion(Feedback.Rating.DOWN, "other" if is_elsewhere else reason)
    return Opinion(Feedback.Rating.UP)


def _discontent(answer: dict[str, Any]) -> tuple[float, str]:
    if answer["abstained"]:
        return WITHOUT_ANSWER, "not_found"
    if not answer["citations"]:
        return WITHOUT_SOURCE, "wrong"
    if (answer["similarity"]["max"] or 0.0) < FAR:
        return FAR_OFF, "incomplete"
    return NEAR, "other"
